// SPDX-License-Identifier: Apache-2.0
#include "job/bucket_choice.h"

#include <algorithm>
#include <memory>

namespace holdfast::job {

namespace {

using format::BucketItemType;

bool is_marker(const BucketVersion& version) { return version.about.type == BucketItemType::delete_marker; }

format::KeyRange keys_of(const BucketChoice& choice) {
  return choice.key ? format::range_of_versions(*choice.key) : format::range_of_prefix(choice.prefix);
}

// Is told the versions one after the other, as they stand in the tree.
class VersionFilter {
 public:
  explicit VersionFilter(BucketChoice choice) : choice_(std::move(choice)) {}
  bool takes(const format::VersionKey& version) {
    if (version.key != key_) {
      key_ = version.key;
      is_decided_ = false;
    }
    if (choice_.at && version.modified > *choice_.at) return false;
    if (choice_.version_id) return version.version_id == *choice_.version_id;
    if (choice_.is_state() && is_decided_) return false;
    is_decided_ = true;
    return true;
  }

 private:
  const BucketChoice choice_;
  std::string key_;
  bool is_decided_ = false;
};

// Gathers versions by key, and knows what a loss among them leaves open.
class VersionLook {
 public:
  VersionLook(const BucketChoice& choice, BucketLook& look) : choice_(choice), look_(look), filter_(choice) {}

  Status take(const tree::EntryView& view) {
    auto version = decode_bucket_version(view.key, view.value);
    if (!version) {
      const auto key = format::decode_object_key(view.key);
      return lose(format::readable_key(format::EntryKind::bucket, view.key), std::move(version.error()),
                  key ? *key : std::string());
    }
    look_.found = true;
    const std::string& key = version->key.key;
    if (key != key_) {
      TRY_DO(flush());
      key_ = key;
      is_open_ = key == lost_key_;
    }
    if (!filter_.takes(version->key)) return {};
    if (choice_.is_state()) {
      if (is_open_) {
        return tell(key_, Error(ErrorCode::corrupt, "newer versions cannot be read: which was current is not known"));
      }
      if (is_marker(*version)) return {};
    }
    group_.push_back(std::move(*version));
    return group_.size() < versions_at_once_max ? Status() : flush();
  }
  // `last_key`: the last object that is concerned.
  Status lose(std::string name, Error error, std::string last_key) {
    is_open_ = true;
    lost_key_ = std::move(last_key);
    return tell(std::move(name), std::move(error));
  }
  Status flush() { return group_.empty() ? Status() : look_.visit(std::exchange(group_, {})); }

 private:
  Status tell(std::string name, Error error) {
    return look_.lose ? look_.lose(std::move(name), std::move(error)) : Status(std::move(error).during(name));
  }

  const BucketChoice& choice_;
  BucketLook& look_;
  VersionFilter filter_;
  std::string key_;
  bool is_open_ = false;   // Of the key at hand versions are lost that may be newer than those that come.
  std::string lost_key_;
  std::vector<BucketVersion> group_;
};

}  // namespace

EntryRange range_of(const BucketChoice& choice) {
  EntryRange range;
  if (choice.key || !choice.prefix.empty()) range.keys = keys_of(choice);
  if (!choice.version_id && !choice.is_state()) return range;
  struct Pass {
    VersionFilter filter;
    Bytes last_key;
  };
  // Shared by copies of the function, which are called in the order of the keys, time and again from the beginning.
  const auto pass = std::make_shared<std::optional<Pass>>();
  range.wanted = [choice, pass](ByteView key) {
    const auto version = format::decode_version_key(key);
    if (!version) return true;  // The bucket itself. Or whoever reads it tells.
    if (!*pass || compare(key, (*pass)->last_key) <= 0) pass->emplace(Pass{VersionFilter(choice), {}});
    (*pass)->last_key = to_bytes(key);
    return (*pass)->filter.takes(*version);
  };
  return range;
}

Result<BucketVersion> decode_bucket_version(ByteView entry_key, ByteView value) {
  BucketVersion version;
  version.key = TRY(format::decode_version_key(entry_key));
  version.entry = TRY(format::decode_entry(value).during(version.key.key));
  TRY_DO(format::expect_kind(version.entry.kind, format::EntryKind::bucket).during(version.key.key));
  version.about = TRY(format::decode_bucket_attributes(version.entry.attributes).during(version.key.key));
  version.entry_key = to_bytes(entry_key);
  return version;
}

std::string name_of_lost(const tree::LostNode& node) {
  const auto last = format::decode_object_key(node.last_key);
  return std::to_string(node.entry_count) + " entries" + (last ? " up to " + *last : "");
}

Status look_at_versions(tree::NodeStore& nodes, const tree::Root& root, const BucketChoice& choice, BucketLook& look) {
  const format::KeyRange range = keys_of(choice);
  VersionLook versions(choice, look);
  TRY_DO(tree::for_range_of_damaged(
      nodes, root, range.from, range.to, [&](const tree::EntryView& view) { return versions.take(view); },
      [&](const tree::LostNode& node) {
        const auto last = format::decode_object_key(node.last_key);
        return versions.lose(name_of_lost(node), Error(node.error), last ? *last : std::string());
      }));
  return versions.flush();
}

Result<std::optional<BucketVersion>> find_newest(tree::NodeStore& nodes, const tree::Root& root, std::string_view key) {
  const format::KeyRange range = format::range_of_versions(key);
  tree::Cursor cursor(nodes, root);
  TRY_DO(cursor.seek(range.from));
  if (!cursor.valid() || compare(cursor.entry().key, range.to) >= 0) return std::optional<BucketVersion>();
  return std::optional(TRY(decode_bucket_version(cursor.entry().key, cursor.entry().value)));
}

}  // namespace holdfast::job
