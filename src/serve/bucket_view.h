// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "base/seams.h"
#include "format/content.h"

// What the S3 server shows: buckets, whatever kind of recovery point lies behind them.
namespace holdfast::serve {

using NamedTexts = std::vector<std::pair<std::string, std::string>>;

inline constexpr std::string_view null_version = "null";

// An object, a version of one, or a delete marker.
struct ObjectInfo {
  std::string key;
  std::string version_id = std::string(null_version);
  bool is_latest = true;
  bool is_delete_marker = false;
  uint64_t size_bytes = 0;
  UnixTimeNs modified = 0;
  std::string etag;                      // Without quotes.
  std::string storage_class;             // Empty: STANDARD.
  NamedTexts headers;                    // "content-type", "x-amz-meta-mtime", ...
  NamedTexts tags;
  NamedTexts checksums;                  // "crc64nvme" and its base64; of the whole object.
  std::string checksum_type;
  std::vector<uint64_t> part_sizes_bytes;  // In order; empty: uploaded whole, or not known.
  format::Content content;
};

enum class Versions : uint8_t { current, all };

// Objects in the order of S3: ascending by the bytes of their keys, the newest version of a key first. One thread.
class ObjectCursor {
 public:
  virtual ~ObjectCursor() = default;
  // To the first object whose key is not below `key`.
  virtual Status seek(std::string_view key) = 0;
  // Behind that version of the key; behind all of its versions if it has none of that name.
  virtual Status seek_behind(std::string_view key, std::string_view version_id) = 0;
  virtual bool valid() const = 0;               // False past the end, and before the first seek.
  virtual const ObjectInfo& object() const = 0;  // REQUIRES: valid()
  virtual Status next() = 0;                    // REQUIRES: valid()
};

// One bucket as it was at some moment. Any thread.
class BucketView {
 public:
  virtual ~BucketView() = default;
  virtual const std::string& name() const = 0;
  virtual UnixTimeNs created() const = 0;
  // "Enabled", "Suspended"; empty: the bucket never had versions.
  virtual const std::string& versioning() const = 0;
  // The view must outlive the cursor. Versions::current leaves out delete markers and what they hide.
  virtual std::unique_ptr<ObjectCursor> walk(Versions versions) = 0;
  // No version named: the newest, be it a delete marker. Nothing if there is none.
  virtual Result<std::optional<ObjectInfo>> find(std::string_view key, std::optional<std::string_view> version_id) = 0;
  // The bytes begin <= offset < end, in order. `corrupt` if they are not what was stored.
  virtual Status read(const ObjectInfo& object, uint64_t begin_bytes, uint64_t end_bytes,
                      const std::function<Status(ByteView)>& sink) = 0;
};

}  // namespace holdfast::serve
