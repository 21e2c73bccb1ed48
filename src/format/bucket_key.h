// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"
#include "base/seams.h"

// Keys of the entries of a bucket (docs/format.md 8.3): what the bucket itself is first, then all versions of all
// objects by object key, the newest version of a key first.
namespace holdfast::format {

// A version of an object, or a delete marker.
struct VersionKey {
  std::string key;          // The object's, any bytes; not empty.
  UnixTimeNs modified = 0;  // When it became the newest version, as the server says.
  // Counts up, from 0 for the oldest, among versions of one key with one time: servers tell whole seconds.
  uint32_t rank = 0;
  std::string version_id;   // "null" where the bucket had no versions; never empty.
  friend bool operator==(const VersionKey&, const VersionKey&) = default;
};

// REQUIRES: key and version id are not empty.
Bytes encode_version_key(const VersionKey& version);
// `corrupt` for what encode_version_key() does not write.
Result<VersionKey> decode_version_key(ByteView entry_key);

// Of an entry's key: the object's key alone; `corrupt` as above.
Result<std::string> decode_object_key(ByteView entry_key);

// Entries of the versions of `key`: from <= entry key < to. The first of them is the newest. REQUIRES: not empty.
// Of all objects whose keys begin with `prefix` (empty: all objects), likewise.
struct KeyRange {
  Bytes from, to;  // `to` empty: no end.
};
KeyRange range_of_versions(std::string_view key);
KeyRange range_of_prefix(std::string_view prefix);
// Where the keys begin that sort after `key` and all its versions: for walking from key to key.
Bytes after_versions(std::string_view key);

// The bucket itself ("") and its configuration documents ("policy", "cors", ...), which sort before all objects.
Bytes encode_bucket_item_key(std::string_view name);
bool is_bucket_item_key(ByteView entry_key);
// `corrupt` unless is_bucket_item_key().
Result<std::string> decode_bucket_item_key(ByteView entry_key);

}  // namespace holdfast::format
