// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "base/seams.h"

// What stands in the folder of one configuration of S3 Inventory: DATE/manifest.json, DATE/manifest.checksum and
// data/*.csv.gz.
namespace holdfast::source {

// Where a row has which field, counted from 0.
struct InventoryColumns {
  size_t count = 0;
  size_t bucket = 0, key = 0, size = 0, modified = 0, etag = 0;
  // None in a report of current versions only.
  struct OfVersion {
    size_t id = 0, is_latest = 0, is_delete_marker = 0;
  };
  std::optional<OfVersion> of_version;
};

struct InventoryFile {
  std::string key;  // In the destination bucket, beneath the configuration's folder.
  uint64_t size_bytes = 0;
  Bytes md5;
};

struct InventoryManifest {
  UnixTimeNs created = 0;  // When the report was begun: it tells nothing of what came later.
  InventoryColumns columns;
  std::vector<InventoryFile> files;
};

struct InventoryPlace {
  std::string source_bucket;
  std::string bucket;  // The destination.
  std::string folder;  // In it, with the slash at its end.
};

inline constexpr uint64_t inventory_manifest_size_bytes_max = 32 << 20;

// `corrupt` for what S3 does not write. Where the configuration is not as it must be, an error that names the next
// step: `unsupported` unless it is CSV, `invalid` for another bucket's and where a field is missing.
Result<InventoryManifest> decode_inventory_manifest(std::string_view text, const InventoryPlace& place);

// Whether that is a report's folder: "2026-11-26T01-00Z". By name, they sort by time.
bool is_inventory_date(std::string_view name);

}  // namespace holdfast::source
