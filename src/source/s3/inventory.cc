// SPDX-License-Identifier: Apache-2.0
#include "source/s3/inventory.h"

#include <algorithm>
#include <map>
#include <thread>

#include "aws/s3/get_object.h"
#include "aws/s3/list_objects.h"
#include "aws/s3/object_version.h"
#include "base/bounded_queue.h"
#include "base/hash_id.h"
#include "codec/gunzip.h"
#include "crypto/digest.h"
#include "source/s3/inventory_rows.h"

namespace holdfast::source {

namespace {

constexpr std::string_view manifest_name = "manifest.json";
constexpr std::string_view checksum_name = "manifest.checksum";
constexpr uint64_t checksum_size_bytes_max = 1024;
// Folders of reports begin with the year.
constexpr char millennium = '2';
// A thousand objects each: what a daily report leaves in two lifetimes.
constexpr size_t page_count_max = 200;
constexpr uint64_t block_size_bytes = 4 << 20;
constexpr size_t blocks_ahead_max = 4;

// What a listing or a manifest named just now, and is not there as they say: the report is no whole.
Error as_damage(const Error& error) {
  const bool is_damage = error.code() == ErrorCode::not_found || error.code() == ErrorCode::changed;
  return is_damage ? Error(ErrorCode::corrupt, error.message()) : error;
}

std::string folder_of(std::string folder) {
  if (!folder.empty() && !folder.ends_with('/')) folder += '/';
  return folder;
}

InventoryOptions with_folder(InventoryOptions options) {
  options.folder = folder_of(std::move(options.folder));
  return options;
}

// Hands over the bytes of a file in order; reads ahead by a thread of its own.
Status for_blocks(const aws::s3::Bucket& bucket, const InventoryFile& file, const std::stop_token& outer_stop,
                  const std::function<Status(ByteView block)>& visit) {
  BoundedQueue<Result<Bytes>> blocks(blocks_ahead_max);
  std::stop_source stop;
  const std::stop_callback passed_on(outer_stop, [&stop] { stop.request_stop(); });
  const std::jthread reader([&] {
    for (uint64_t at = 0; at < file.size_bytes; at += block_size_bytes) {
      Bytes block(std::min(block_size_bytes, file.size_bytes - at));
      auto got = aws::s3::get_version_range(
          bucket, {.key = file.key}, {.offset_bytes = at, .size_bytes = file.size_bytes}, block, stop.get_token());
      if (!got) {
        blocks.push(as_damage(got.error()));
        return;
      }
      if (!blocks.push(std::move(block))) return;
    }
    blocks.close();
  });
  const auto visit_all = [&]() -> Status {
    while (auto block = blocks.pop()) TRY_DO(visit(TRY(std::move(*block))));
    return {};
  };
  Status outcome = visit_all();
  stop.request_stop();
  blocks.close();
  return outcome;
}

}  // namespace

Inventory::Inventory(std::unique_ptr<aws::s3::Connection> connection, InventoryOptions options)
    : connection_(std::move(connection)),
      options_(with_folder(std::move(options))),
      url_("s3://" + connection_->bucket().name + "/" + options_.folder) {}

Result<std::optional<std::string>> Inventory::newest_name(const std::stop_token& stop) const {
  struct Parts {
    bool has_manifest = false, has_checksum = false;
  };
  std::map<std::string, Parts> dates;
  const std::string prefix = options_.folder + millennium;
  std::string after;
  for (size_t page_count = 0;; ++page_count) {
    if (page_count == page_count_max) {
      return Error(ErrorCode::unsupported, url_ + " holds more reports than are looked through")
          .with_hint("Let a lifecycle rule of that bucket expire old ones.");
    }
    auto page = TRY(aws::s3::list_objects(connection_->bucket(), {.prefix = prefix, .start_after = after}, stop));
    for (const aws::s3::ListedObject& object : page.objects) {
      const std::string_view path = std::string_view(object.key).substr(options_.folder.size());
      const size_t slash = path.find('/');
      if (slash == std::string_view::npos || !is_inventory_date(path.substr(0, slash))) continue;
      Parts& parts = dates[std::string(path.substr(0, slash))];
      if (path.substr(slash + 1) == manifest_name) parts.has_manifest = true;
      if (path.substr(slash + 1) == checksum_name) parts.has_checksum = true;
    }
    if (!page.is_truncated) break;
    after = page.objects.back().key;
  }
  for (auto date = dates.rbegin(); date != dates.rend(); ++date) {
    if (date->second.has_manifest && date->second.has_checksum) return std::optional(date->first);
  }
  return std::optional<std::string>();
}

Result<std::optional<InventoryReport>> Inventory::newest(const std::string& source_bucket, std::stop_token stop) const {
  const auto name = TRY(newest_name(stop).during("look for reports in " + url_));
  if (!name) return std::optional<InventoryReport>();
  const aws::s3::Bucket& bucket = connection_->bucket();
  const std::string folder = options_.folder + *name + "/";
  const auto checksum =
      aws::s3::get_object(bucket, folder + std::string(checksum_name), checksum_size_bytes_max, stop);
  if (!checksum) return as_damage(checksum.error());
  const auto text =
      aws::s3::get_object(bucket, folder + std::string(manifest_name), inventory_manifest_size_bytes_max, stop);
  if (!text) return as_damage(text.error());
  std::string_view told = as_text(checksum->body);
  while (told.ends_with('\n') || told.ends_with('\r') || told.ends_with(' ')) told.remove_suffix(1);
  const auto expected = from_hex(told);
  crypto::Digest digest(crypto::DigestKind::md5);
  digest.update(text->body);
  if (!expected || !equal(*expected, digest.take())) {
    return Error(ErrorCode::corrupt, "report " + *name + ": the manifest differs from its checksum");
  }
  InventoryReport report{.name = *name, .manifest = {}};
  report.manifest = TRY(decode_inventory_manifest(as_text(text->body), {.source_bucket = source_bucket,
                                                                        .bucket = bucket.name,
                                                                        .folder = options_.folder})
                            .during("report " + *name));
  return std::optional(std::move(report));
}

Status Inventory::read(const InventoryReport& report, const std::string& source_bucket, const Visit& visit,
                       std::stop_token stop) const {
  for (const InventoryFile& file : report.manifest.files) {
    TRY_DO(read_file(file, report.manifest.columns, source_bucket, visit, stop)
               .during("report " + report.name + ", file " + file.key));
  }
  return {};
}

Status Inventory::read_file(const InventoryFile& file, const InventoryColumns& columns,
                            const std::string& source_bucket, const Visit& visit, const std::stop_token& stop) const {
  crypto::Digest digest(crypto::DigestKind::md5);
  codec::Gunzip gunzip;
  CsvReader reader(columns.count);
  const CsvReader::Visit take_row = [&](std::span<const std::string> fields) -> Status {
    return visit(TRY(decode_inventory_row(fields, columns, source_bucket)));
  };
  TRY_DO(for_blocks(connection_->bucket(), file, stop, [&](ByteView block) {
    digest.update(block);
    return gunzip.feed(block, [&](ByteView text) { return reader.feed(as_text(text), take_row); });
  }));
  TRY_DO(gunzip.finish());
  TRY_DO(reader.finish(take_row));
  if (!equal(digest.take(), file.md5)) return Error(ErrorCode::corrupt, "differs from the checksum in the manifest");
  return {};
}

}  // namespace holdfast::source
