// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "format/bucket_attributes.h"
#include "format/bucket_key.h"
#include "format/entry.h"
#include "job/pack_demand.h"
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

  bool is_whole_bucket() const { return !key && prefix.empty() && !at && !version_id; }
  // One version of a key is meant: which one its newer versions decide.
  bool is_state() const { return (at || current_only) && !version_id; }
};
// Entries that may be meant, delete markers among them.
EntryRange range_of(const BucketChoice& choice);

inline bool is_bucket(const vault::PointInfo& point) {
  return point.point.entry_kind == static_cast<uint8_t>(format::EntryKind::bucket);
}

struct BucketLook {
  // Gets of each key those of its versions that are meant, the newest first; nothing of keys that have none. Of a key
  // with very many, some at a time.
  std::function<Status(std::vector<BucketVersion> newest_first)> visit;
  // Told of what cannot be read; the look goes on behind it. None: the first of it ends the look.
  std::function<Status(std::string name, Error error)> lose = {};
  // Whether there was any version of what the choice names, meant or not.
  bool found = false;
};
inline constexpr size_t versions_at_once_max = 1'000;
Status look_at_versions(tree::NodeStore& nodes, const tree::Root& root, const BucketChoice& choice, BucketLook& look);

// The newest version of a key, if there is one: a delete marker perhaps.
Result<std::optional<BucketVersion>> find_newest(tree::NodeStore& nodes, const tree::Root& root, std::string_view key);
// `corrupt` for what is no entry of a bucket.
Result<BucketVersion> decode_bucket_version(ByteView entry_key, ByteView value);

// "12 entries up to KEY": a part of a bucket's tree that cannot be read.
std::string name_of_lost(const tree::LostNode& node);

}  // namespace holdfast::job
