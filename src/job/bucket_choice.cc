// SPDX-License-Identifier: Apache-2.0
#include "job/bucket_choice.h"

#include <algorithm>

namespace holdfast::job {

namespace {

using format::BucketItemType;

bool is_marker(const BucketVersion& version) { return version.about.type == BucketItemType::delete_marker; }

// Of all versions of a key, the newest first.
std::vector<BucketVersion> choose(std::vector<BucketVersion> all, const BucketChoice& choice) {
  if (choice.at) {
    const auto first = std::find_if(all.begin(), all.end(), [&](const BucketVersion& version) {
      return version.key.modified <= *choice.at;
    });
    all.erase(all.begin(), first);
  }
  if (choice.version_id) {
    std::erase_if(all, [&](const BucketVersion& version) { return version.key.version_id != *choice.version_id; });
    return all;
  }
  if (!choice.at && !choice.current_only) return all;
  if (!all.empty() && is_marker(all.front())) all.clear();
  if (all.size() > 1) all.erase(all.begin() + 1, all.end());
  return all;
}

}  // namespace

Result<BucketVersion> decode_bucket_version(ByteView entry_key, ByteView value) {
  BucketVersion version;
  version.key = TRY(format::decode_version_key(entry_key));
  version.entry = TRY(format::decode_entry(value).during(version.key.key));
  if (version.entry.kind != format::EntryKind::bucket) {
    return Error(ErrorCode::corrupt, version.key.key + ": not an entry of a bucket");
  }
  version.about = TRY(format::decode_bucket_attributes(version.entry.attributes).during(version.key.key));
  version.entry_key = to_bytes(entry_key);
  return version;
}

Status look_at_versions(tree::NodeStore& nodes, const tree::Root& root, const BucketChoice& choice, BucketLook& look) {
  const format::KeyRange range =
      choice.key ? format::range_of_versions(*choice.key) : format::range_of_prefix(choice.prefix);
  std::vector<BucketVersion> group;
  const auto flush = [&]() -> Status {
    if (group.empty()) return {};
    look.found = true;
    std::vector<BucketVersion> chosen = choose(std::exchange(group, {}), choice);
    return chosen.empty() ? Status() : look.visit(std::move(chosen));
  };
  const auto take = [&](const tree::EntryView& view) -> Status {
    BucketVersion version = TRY(decode_bucket_version(view.key, view.value));
    if (!group.empty() && group.front().key.key != version.key.key) TRY_DO(flush());
    group.push_back(std::move(version));
    return {};
  };
  TRY_DO(tree::for_range(nodes, root, range.from, range.to, take));
  return flush();
}

Result<std::optional<BucketVersion>> find_newest(tree::NodeStore& nodes, const tree::Root& root, std::string_view key) {
  const format::KeyRange range = format::range_of_versions(key);
  tree::Cursor cursor(nodes, root);
  TRY_DO(cursor.seek(range.from));
  if (!cursor.valid() || compare(cursor.entry().key, range.to) >= 0) return std::optional<BucketVersion>();
  return std::optional(TRY(decode_bucket_version(cursor.entry().key, cursor.entry().value)));
}

}  // namespace holdfast::job
