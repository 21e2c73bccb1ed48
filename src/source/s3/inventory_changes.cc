// SPDX-License-Identifier: Apache-2.0
#include "source/s3/inventory_changes.h"

#include <algorithm>
#include <cstring>

#include "base/byte_io.h"
#include "crypto/hash.h"
#include "format/bucket_attributes.h"
#include "format/bucket_key.h"
#include "source/s3/version_sorter.h"

// A report is hours old when it arrives, and may lack what was written last. So, like an event, it only says where to
// look: of every key for which it and the point before differ in whatever way, the bucket is asked, and what the bucket
// answers counts (docs/decisions/0005-inventory.md). A version counts as the same by what no listing may change of it.
namespace holdfast::source {

namespace {

// Of one key; of one that has more, the bucket is asked.
constexpr size_t mark_count_max = 1'000'000;
// Of the keys that are handed out.
constexpr uint64_t keys_size_bytes_max = 64 << 20;
constexpr uint64_t key_overhead_bytes = 80;
constexpr std::string_view no_version = "null";

// Versions of a key, by their marks, in order.
struct Group {
  std::string key;
  std::vector<VersionMark> marks;
  bool is_too_long = false;
  void add(const VersionMark& mark) {
    is_too_long = is_too_long || marks.size() == mark_count_max;
    if (!is_too_long) marks.push_back(mark);
  }
};

struct Marker {
  bool knows_ids = false;  // Else all that is known are the current states.

  VersionMark mark(const aws::s3::ListedVersion& version) const {
    Bytes text;
    ByteWriter out(text);
    // What bears an id is never exchanged under it, so that its time, which listings may shift, says nothing more.
    const bool is_told_by_time = !knows_ids || version.version_id == no_version;
    out.u8(version.is_delete_marker ? 1 : 0);
    out.string(knows_ids ? std::string_view(version.version_id) : std::string_view());
    out.svarint(is_told_by_time ? version.modified : 0);
    out.varint(version.size_bytes);
    out.string(version.etag);
    const crypto::Hash32 hash = crypto::hash(text);
    VersionMark mark;
    std::memcpy(mark.data(), hash.data(), mark.size());
    return mark;
  }
};

// The point's side.
class PointGroups {
 public:
  PointGroups(PreviousEntries& entries, const Marker& marker, std::string prefix)
      : entries_(entries), marker_(marker), prefix_(std::move(prefix)) {}
  Status begin() { return entries_.seek(format::range_of_prefix(prefix_).from); }
  // False at the end.
  Result<bool> next(Group& group) {
    group = {};
    while (entries_.valid()) {
      const auto about = TRY(format::decode_version_key(entries_.key()));
      if (!about.key.starts_with(prefix_)) break;
      if (group.key.empty()) group.key = about.key;
      if (about.key != group.key) break;
      group.add(TRY(mark_of(about)));
      TRY_DO(entries_.next());
    }
    std::sort(group.marks.begin(), group.marks.end());
    return !group.key.empty();
  }

 private:
  Result<VersionMark> mark_of(const format::VersionKey& about) {
    const auto attributes = format::decode_bucket_attributes(TRY(entries_.attributes()));
    if (!attributes) return VersionMark{};  // Like nothing that a report tells: it will be asked for.
    aws::s3::ListedVersion version;
    version.version_id = about.version_id;
    version.modified = about.modified;
    version.is_delete_marker = attributes->type == format::BucketItemType::delete_marker;
    version.size_bytes = attributes->size_bytes;
    version.etag = attributes->etag;
    return marker_.mark(version);
  }

  PreviousEntries& entries_;
  const Marker marker_;
  const std::string prefix_;
};

// The report's.
class ReportGroups {
 public:
  explicit ReportGroups(VersionSorter& sorter) : sorter_(sorter) {}
  Result<bool> next(Group& group) {
    group = {};
    if (!ahead_) ahead_ = TRY(sorter_.next());
    if (!ahead_) return false;
    group.key = ahead_->key;
    while (ahead_ && ahead_->key == group.key) {
      group.add(ahead_->mark);
      ahead_ = TRY(sorter_.next());
    }
    return true;
  }

 private:
  VersionSorter& sorter_;
  std::optional<MarkedKey> ahead_;
};

// Fails as reading the report does; `sorted` tells of the sorter.
Status gather(const Inventory& inventory, const InventoryReport& report, const InventoryScope& scope,
              const Marker& marker, VersionSorter& sorter, Status& sorted, const std::stop_token& stop) {
  const Status read = inventory.read(
      report, scope.bucket,
      [&](const aws::s3::ListedVersion& version) -> Status {
        if (!version.key.starts_with(scope.prefix)) return {};
        if (scope.current_only && (!version.is_latest || version.is_delete_marker)) return {};
        sorted = sorter.add(version.key, marker.mark(version));
        return sorted;
      },
      stop);
  if (!sorted) return {};
  TRY_DO(read);
  sorted = sorter.sort();
  return {};
}

}  // namespace

Status check_completeness(const InventoryReport& report, bool current_only) {
  if (report.manifest.columns.of_version || current_only) return {};
  return Error(ErrorCode::invalid,
               "report " + report.name + " tells current versions only: it has no field 'VersionId'")
      .with_hint("Have the bucket's inventory configuration include all versions, or back up with --current-only.");
}

Result<InventoryChanges> find_changes(const Inventory& inventory, const InventoryReport& report,
                                      const InventoryScope& scope, PreviousEntries& entries, std::stop_token stop) {
  const Marker marker{.knows_ids = report.manifest.columns.of_version.has_value()};
  const std::string& folder = inventory.options().scratch_folder;
  VersionSorter sorter(folder, inventory.options().sort_size_bytes_max);
  InventoryChanges changes;
  const auto not_sorted = [&](const Error& error) {
    changes.not_sorted = Error(error).during("sort the report in " + folder);
    return std::move(changes);
  };
  Status sorted;
  TRY_DO(gather(inventory, report, scope, marker, sorter, sorted, stop));
  if (!sorted) return not_sorted(sorted.error());
  PointGroups point(entries, marker, scope.prefix);
  ReportGroups told(sorter);
  TRY_DO(point.begin());
  uint64_t size_bytes = 0;
  Group ours, theirs;
  bool has_ours = TRY(point.next(ours));
  Result<bool> has_theirs = told.next(theirs);
  while (has_theirs && (has_ours || *has_theirs)) {
    if (stop.stop_requested()) return Error(ErrorCode::cancelled, "scan was stopped");
    const bool takes_ours = has_ours && (!*has_theirs || ours.key <= theirs.key);
    const bool takes_theirs = *has_theirs && (!has_ours || theirs.key <= ours.key);
    const bool is_too_long = ours.is_too_long || theirs.is_too_long;
    const bool is_same = takes_ours && takes_theirs && !is_too_long && ours.marks == theirs.marks;
    if (!is_same) {
      const std::string& key = takes_ours ? ours.key : theirs.key;
      size_bytes += key.size() + key_overhead_bytes;
      changes.keys.insert(changes.keys.end(), key);
      changes.is_too_much = changes.keys.size() > scope.key_count_max || size_bytes > keys_size_bytes_max;
      if (changes.is_too_much) return changes;
    }
    if (takes_ours) has_ours = TRY(point.next(ours));
    if (takes_theirs) has_theirs = told.next(theirs);
  }
  if (!has_theirs) return not_sorted(has_theirs.error());
  return changes;
}

}  // namespace holdfast::source
