// SPDX-License-Identifier: Apache-2.0
#include <array>

#include "base/check.h"
#include "codec/gunzip.h"
#include "source/s3/inventory_manifest.h"
#include "source/s3/inventory_rows.h"

// Reports of S3 Inventory, which whoever may write to the destination bucket can forge. The first byte chooses.
namespace holdfast::source {
namespace {

const InventoryPlace place{.source_bucket = "b", .bucket = "d", .folder = "f/"};

void manifest(std::string_view text) {
  const auto decoded = decode_inventory_manifest(text, place);
  if (!decoded) {
    const ErrorCode code = decoded.error().code();
    CHECK(code == ErrorCode::corrupt || code == ErrorCode::invalid || code == ErrorCode::unsupported);
    return;
  }
  CHECK(decoded->created >= 0 && decoded->columns.count >= 5);
  for (const InventoryFile& file : decoded->files) {
    CHECK(file.key.starts_with("f/") && file.key.find("/../") == std::string::npos && file.size_bytes > 0);
  }
}

// In two pieces, so that the step from one to the next is tried too.
void rows(std::string_view text) {
  const InventoryColumns columns{.count = 8, .bucket = 0, .key = 1, .size = 2, .modified = 3, .etag = 4,
                                 .of_version = InventoryColumns::OfVersion{.id = 5, .is_latest = 6, .is_delete_marker = 7}};
  CsvReader reader(columns.count);
  size_t size = 0;
  const CsvReader::Visit visit = [&](std::span<const std::string> fields) -> Status {
    CHECK(fields.size() == columns.count);
    for (const std::string& field : fields) size += field.size();
    const auto version = decode_inventory_row(fields, columns, "b");
    if (!version) CHECK(version.error().code() == ErrorCode::corrupt);
    if (version) CHECK(!version->key.empty() && version->key.size() <= 1024 && !version->version_id.empty());
    return {};
  };
  const size_t middle = text.empty() ? 0 : static_cast<uint8_t>(text.front()) % text.size();
  Status read = reader.feed(text.substr(0, middle), visit);
  if (read) read = reader.feed(text.substr(middle), visit);
  if (read) read = reader.finish(visit);
  if (!read) CHECK(read.error().code() == ErrorCode::corrupt);
  CHECK(size <= text.size());
}

void packed(std::string_view bytes) {
  codec::Gunzip gunzip;
  uint64_t size = 0;
  Status read = gunzip.feed(as_bytes(bytes), [&](ByteView out) -> Status {
    size += out.size();
    return {};
  });
  if (read) read = gunzip.finish();
  if (!read) CHECK(read.error().code() == ErrorCode::corrupt);
  CHECK(size <= (16 << 20) + (256 << 10) + bytes.size() * codec::Gunzip::growth_max);
}

void date(std::string_view text) {
  if (is_inventory_date(text)) CHECK(text.size() == 17);
}

}  // namespace
}  // namespace holdfast::source

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace holdfast::source;
  if (size == 0) return 0;
  constexpr auto readers = std::to_array<void (*)(std::string_view)>({manifest, rows, packed, date});
  readers[data[0] % readers.size()](std::string_view(reinterpret_cast<const char*>(data + 1), size - 1));
  return 0;
}
