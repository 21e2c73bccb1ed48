// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "format/bucket_attributes.h"
#include "format/bucket_key.h"
#include "format/entry.h"
#include "job/vault_nodes.h"
#include "vault/vault.h"

// Looking through the versions of a bucket's point.
namespace holdfast::job {

struct BucketVersion {
  Bytes entry_key;
  format::VersionKey key;
  format::BucketAttributes about;
  format::Entry entry;
};

// Which of them are meant; empty parts ask nothing.
struct BucketChoice {
  std::optional<std::string> key;   // This one, or
  std::string prefix;               // those that begin with this.
  std::optional<std::string> version_id;
  // The state at that moment: of each key the newest version that is not younger, unless it is a delete marker.
  std::optional<UnixTimeNs> at;
  bool current_only = false;        // The same, now.
};

inline bool is_bucket(const vault::PointInfo& point) {
  return point.point.entry_kind == static_cast<uint8_t>(format::EntryKind::bucket);
}

// Calls `visit` for each key with those of its versions that are meant, the newest first; not if there are none.
// `corrupt` for what is no entry of a bucket. Whether a key was found at all is `found`.
struct BucketLook {
  std::function<Status(std::vector<BucketVersion> newest_first)> visit;
  bool found = false;
};
Status look_at_versions(tree::NodeStore& nodes, const tree::Root& root, const BucketChoice& choice, BucketLook& look);

// The newest version of a key, if there is one: a delete marker perhaps.
Result<std::optional<BucketVersion>> find_newest(tree::NodeStore& nodes, const tree::Root& root, std::string_view key);
Result<BucketVersion> decode_bucket_version(ByteView entry_key, ByteView value);

}  // namespace holdfast::job
