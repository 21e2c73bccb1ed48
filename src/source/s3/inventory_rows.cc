// SPDX-License-Identifier: Apache-2.0
#include "source/s3/inventory_rows.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "aws/s3/object_text.h"
#include "aws/time_text.h"

namespace holdfast::source {

namespace {

// Keys of 1024 bytes encoded as three each, and an ACL of a hundred grants in Base64.
constexpr size_t row_size_bytes_max = 256 << 10;
constexpr size_t key_size_max = 1024;
constexpr size_t version_id_size_max = 1024;
constexpr size_t etag_size_max = 1024;
constexpr uint64_t object_size_bytes_max = uint64_t{1} << 50;

Error unclear(std::string_view what) { return {ErrorCode::corrupt, std::string(what)}; }

Result<bool> truth(std::string_view text) {
  if (text == "true") return true;
  if (text == "false") return false;
  return unclear("neither true nor false");
}

Result<uint64_t> number(std::string_view text) {
  uint64_t value = 0;
  for (const char c : text) {
    if (c < '0' || c > '9' || value > object_size_bytes_max) return unclear("a size that cannot be");
    value = value * 10 + static_cast<uint64_t>(c - '0');
  }
  if (text.empty() || value > object_size_bytes_max) return unclear("a size that cannot be");
  return value;
}

}  // namespace

Error CsvReader::wrong(std::string_view what) const {
  return {ErrorCode::corrupt, fmt::format("row {}: {}", row_count_ + 1, what)};
}

Status CsvReader::add(std::string_view bytes) {
  row_size_bytes_ += bytes.size();
  if (row_size_bytes_ > row_size_bytes_max) return wrong("longer than a row can be");
  fields_[field_].append(bytes);
  return {};
}

Status CsvReader::end_field() {
  if (++field_ == field_count_) return wrong("more fields than the manifest names");
  place_ = Place::field_begin;
  return {};
}

Status CsvReader::end_row(const Visit& visit) {
  if (field_ + 1 != field_count_) return wrong("fewer fields than the manifest names");
  if (Status visited = visit(fields_); !visited) {
    return std::move(visited.error()).during(fmt::format("row {}", row_count_ + 1));
  }
  ++row_count_;
  for (std::string& field : fields_) field.clear();
  field_ = 0;
  row_size_bytes_ = 0;
  place_ = Place::field_begin;
  return {};
}

Status CsvReader::take(char c, const Visit& visit) {
  if (ends_line_ && c != '\n') return wrong("a line's end that is none");
  ends_line_ = false;
  if (place_ == Place::quoted) {
    if (c != '"') return add({&c, 1});
    place_ = Place::after_quote;
    return {};
  }
  if (c == ',') return end_field();
  if (c == '\n') return end_row(visit);
  if (c == '\r') {
    ends_line_ = true;
    return {};
  }
  if (c == '"' && place_ != Place::plain) {  // The first one of a field, or the second of two within.
    const bool is_doubled = place_ == Place::after_quote;
    place_ = Place::quoted;
    return is_doubled ? add({&c, 1}) : Status();
  }
  if (c == '"' || place_ == Place::after_quote) return wrong("quotes where none can be");
  place_ = Place::plain;
  return add({&c, 1});
}

Status CsvReader::feed(std::string_view piece, const Visit& visit) {
  while (!piece.empty()) {
    if (place_ == Place::quoted) {  // All up to the next quote at once.
      const size_t size = std::min(piece.find('"'), piece.size());
      TRY_DO(add(piece.substr(0, size)));
      piece.remove_prefix(size);
      if (piece.empty()) break;
    }
    TRY_DO(take(piece.front(), visit));
    piece.remove_prefix(1);
  }
  return {};
}

Status CsvReader::finish(const Visit& visit) {
  if (place_ == Place::quoted || ends_line_) return wrong("cut short");
  const bool is_between_rows = place_ == Place::field_begin && field_ == 0;
  return is_between_rows ? Status() : end_row(visit);
}

Result<aws::s3::ListedVersion> decode_inventory_row(std::span<const std::string> fields,
                                                    const InventoryColumns& columns, std::string_view bucket) {
  if (fields[columns.bucket] != bucket) return unclear("of bucket '" + fields[columns.bucket].substr(0, 100) + "'");
  aws::s3::ListedVersion version;
  auto decoded = aws::s3::decode_key(fields[columns.key]);
  if (!decoded || decoded->empty() || decoded->size() > key_size_max) return unclear("a key that cannot be");
  version.key = std::move(*decoded);
  version.is_latest = true;
  if (columns.of_version) {
    version.version_id = fields[columns.of_version->id];
    if (version.version_id.empty()) version.version_id = "null";
    version.is_latest = TRY(truth(fields[columns.of_version->is_latest]));
    version.is_delete_marker = TRY(truth(fields[columns.of_version->is_delete_marker]));
  }
  if (version.version_id.size() > version_id_size_max) return unclear("a version id that cannot be");
  const auto modified = aws::parse_iso_time(fields[columns.modified]);
  if (!modified) return unclear("a time that cannot be");
  version.modified = aws::s3::whole_seconds(*modified);
  if (version.is_delete_marker) return version;
  version.size_bytes = TRY(number(fields[columns.size]));
  const std::string_view etag = aws::s3::unquoted(fields[columns.etag]);
  if (etag.size() > etag_size_max) return unclear("an ETag that cannot be");
  version.etag = std::string(etag);
  return version;
}

}  // namespace holdfast::source
