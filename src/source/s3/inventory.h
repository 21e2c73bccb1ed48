// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>

#include "aws/s3/connection.h"
#include "aws/s3/list_versions.h"
#include "source/change_news.h"
#include "source/s3/inventory_manifest.h"
#include "source/s3/version_sorter.h"

namespace holdfast::source {

struct InventoryOptions {
  std::string folder = {};                           // In the destination bucket; with or without a slash at its end.
  std::chrono::nanoseconds listing_interval = std::chrono::hours(7 * 24);
  std::string scratch_folder = "/var/tmp";           // For a nameless file,
  uint64_t sort_size_bytes_max = VersionSorter::memory_size_bytes_usual;  // once more than this is to be sorted.
  std::function<void(const ChangeNews&)> told = {};  // Once for each scan, before anything is read.
};

struct InventoryReport {
  std::string name;  // "2026-11-26T01-00Z"
  InventoryManifest manifest;
};

// The reports that one configuration of S3 Inventory lays down in a bucket. What they hold is checked with what their
// manifests say. One thread.
class Inventory {
 public:
  Inventory(std::unique_ptr<aws::s3::Connection> connection, InventoryOptions options);

  // The newest of which all is there that S3 writes last; nothing if there is none. `corrupt` if its manifest is
  // damaged; the errors of decode_inventory_manifest().
  Result<std::optional<InventoryReport>> newest(const std::string& source_bucket, std::stop_token stop) const;
  // All rows, in whatever order. What was visited counts for nothing after an error: `corrupt` where a file is damaged,
  // `not_found` where it is gone; it names report, file and row.
  using Visit = std::function<Status(aws::s3::ListedVersion version)>;
  Status read(const InventoryReport& report, const std::string& source_bucket, const Visit& visit,
              std::stop_token stop) const;

  const InventoryOptions& options() const { return options_; }
  const std::string& url() const { return url_; }
  UnixTimeNs now() const { return connection_->bucket().client.server_time(); }

 private:
  Result<std::optional<std::string>> newest_name(const std::stop_token& stop) const;
  Status read_file(const InventoryFile& file, const InventoryColumns& columns, const std::string& source_bucket,
                   const Visit& visit, const std::stop_token& stop) const;

  const std::unique_ptr<aws::s3::Connection> connection_;
  const InventoryOptions options_;
  const std::string url_;  // "s3://BUCKET/FOLDER/"
};

}  // namespace holdfast::source
