// SPDX-License-Identifier: Apache-2.0
#include "aws/s3/version_lister.h"

#include <algorithm>
#include <map>

namespace holdfast::aws::s3 {

namespace {

constexpr size_t pages_ahead_max = 16;
constexpr size_t ranges_ahead_max = 12;
// Versions of one key that are put in order at once; and, where the server leaves their order open, asked for one by
// one.
constexpr size_t group_count_max = 50'000;
constexpr size_t same_second_count_max = 1'000'000;
constexpr size_t asked_count_max = 1'000;

Error stopped() { return Error(ErrorCode::cancelled, "the listing was stopped"); }

}  // namespace

VersionLister::Range::Range(std::string from, std::optional<std::string> to)
    : after(std::move(from)), last(std::move(to)), pages(pages_ahead_max) {}

VersionLister::VersionLister(const Bucket& bucket, ListingRequest request, std::stop_token stop)
    : bucket_(bucket),
      prefix_(std::move(request.prefix)),
      outer_stop_(std::move(stop), [this] { stop_.request_stop(); }) {
  std::string from;
  for (std::string& split : request.splits) {
    ranges_.push_back(std::make_unique<Range>(from, split));
    from = std::move(split);
  }
  ranges_.push_back(std::make_unique<Range>(std::move(from), std::nullopt));
  const size_t thread_count = std::min<size_t>(std::max(1u, request.thread_count), ranges_.size());
  for (size_t started = 0; started < thread_count; ++started) threads_.emplace_back([this] { work(); });
}

VersionLister::~VersionLister() {
  stop_.request_stop();
  for (const auto& range : ranges_) range->pages.close();
  {
    const MutexLock lock(mutex_);
    may_begin_.notify_all();
  }
  threads_.clear();
}

VersionLister::Range* VersionLister::take_range() {
  const MutexLock lock(mutex_);
  while (!stop_.stop_requested() && next_range_ < ranges_.size() && next_range_ > range_consumed_ + ranges_ahead_max) {
    may_begin_.wait(mutex_);
  }
  if (stop_.stop_requested() || next_range_ == ranges_.size()) return nullptr;
  return ranges_[next_range_++].get();
}

void VersionLister::work() {
  while (Range* range = take_range()) {
    list(*range);
    range->pages.close();
  }
  // After a stop nobody must wait for what is not begun any more.
  if (!stop_.stop_requested()) return;
  for (const auto& range : ranges_) range->pages.close();
}

void VersionLister::list(Range& range) {
  std::string key = range.after, version_id;
  for (;;) {
    auto page = list_versions(
        bucket_, {.prefix = prefix_, .key_marker = key, .version_id_marker = version_id}, stop_.get_token());
    if (!page) {
      range.pages.push(std::move(page.error()));
      return;
    }
    const auto end = range.last ? std::upper_bound(page->versions.begin(), page->versions.end(), *range.last,
                                                   [](const std::string& last, const ListedVersion& version) {
                                                     return last < version.key;
                                                   })
                                : page->versions.end();
    const bool is_last = !page->is_truncated || end != page->versions.end() ||
                         (range.last && page->next_key_marker > *range.last);
    page->versions.erase(end, page->versions.end());
    if (!range.pages.push(std::move(page->versions)) || is_last) return;
    key = std::move(page->next_key_marker);
    version_id = std::move(page->next_version_id_marker);
  }
}

// Sees to it that there is a version at page_at_; false at the end.
Result<bool> VersionLister::fill_page() {
  while (page_at_ == page_.size()) {
    if (range_at_ == ranges_.size()) return false;
    auto page = ranges_[range_at_]->pages.pop();
    if (!page) {
      if (stop_.stop_requested()) return stopped();
      ++range_at_;
      const MutexLock lock(mutex_);
      range_consumed_ = range_at_;
      may_begin_.notify_all();
      continue;
    }
    page_ = TRY(std::move(*page));
    page_at_ = 0;
    ++page_number_;
  }
  return true;
}

// Puts the next key's versions, or some of very many, into ready_.
Result<bool> VersionLister::gather() {
  std::vector<Grouped> group = std::exchange(rest_, {});
  while (TRY(fill_page())) {
    const bool is_other = group.empty() ? false : page_[page_at_].key != group.front().listed.key;
    if (is_other) break;
    group.push_back({std::move(page_[page_at_++]), page_number_});
    if (group.size() % group_count_max != 0) continue;
    TRY_DO(order(group));
    const UnixTimeNs oldest = group.back().listed.modified;
    const auto keep = std::find_if(group.begin(), group.end(),
                                   [&](const Grouped& one) { return one.listed.modified == oldest; });
    if (keep == group.begin() && group.size() < same_second_count_max) continue;
    if (keep == group.begin()) return Error(ErrorCode::corrupt, "versions of one key and second without end");
    rest_.assign(std::make_move_iterator(keep), std::make_move_iterator(group.end()));
    group.erase(keep, group.end());
    TRY_DO(emit(std::move(group)));
    return true;
  }
  if (group.empty()) return false;
  TRY_DO(order(group));
  TRY_DO(emit(std::move(group)));
  return true;
}

// The newest first: as the server wrote them. But some servers write the delete markers of a page behind the other
// versions; then their order is asked for. Times tell less: versitygw dates a version anew when it is replaced. What
// follows in order is given no earlier time than what it follows.
Status VersionLister::order(std::vector<Grouped>& group) {
  if (group.size() == 1) return {};
  bool is_interleaved = false, has_markers = false, has_others = false;
  for (size_t at = 0; at < group.size(); ++at) {
    (group[at].listed.is_delete_marker ? has_markers : has_others) = true;
    const bool is_after_marker =
        at > 0 && group[at - 1].listed.is_delete_marker && group[at - 1].page == group[at].page;
    if (is_after_marker && !group[at].listed.is_delete_marker) is_interleaved = true;
  }
  std::stable_partition(group.begin(), group.end(), [](const Grouped& one) { return one.listed.is_latest; });
  const bool is_open = has_markers && has_others && !is_interleaved;
  if (is_open && group.size() <= asked_count_max) TRY_DO(ask_for_order(group));
  if (is_open && group.size() > asked_count_max) {
    std::stable_sort(group.begin(), group.end(),
                     [](const Grouped& a, const Grouped& b) { return a.listed.modified > b.listed.modified; });
  }
  for (size_t at = group.size() - 1; at > 0; --at) {
    group[at - 1].listed.modified = std::max(group[at - 1].listed.modified, group[at].listed.modified);
  }
  return {};
}

// One by one, versions come in their true order from every server; the first two together, since some repeat the
// newest.
Status VersionLister::ask_for_order(std::vector<Grouped>& group) {
  const std::string key = group.front().listed.key;
  std::map<std::string, size_t> places;
  std::string key_marker, version_id_marker;
  while (places.size() < group.size()) {
    const size_t before = places.size();
    auto page = TRY(list_versions(bucket_,
                                  {.prefix = key,
                                   .key_marker = key_marker,
                                   .version_id_marker = version_id_marker,
                                   .count_max = places.empty() ? 2u : 1u},
                                  stop_.get_token()));
    std::stable_partition(page.versions.begin(), page.versions.end(),
                          [](const ListedVersion& version) { return version.is_latest; });
    for (const ListedVersion& version : page.versions) {
      if (version.key == key) places.emplace(version.version_id, places.size());
    }
    if (!page.is_truncated || places.size() == before) break;
    key_marker = std::move(page.next_key_marker);
    version_id_marker = std::move(page.next_version_id_marker);
  }
  std::stable_sort(group.begin(), group.end(), [&](const Grouped& a, const Grouped& b) {
    const auto place_a = places.find(a.listed.version_id), place_b = places.find(b.listed.version_id);
    return place_a != places.end() && (place_b == places.end() || place_a->second < place_b->second);
  });
  return {};
}

Status VersionLister::emit(std::vector<Grouped> group) {
  const std::string& key = group.front().listed.key;
  const bool goes_on = !last_key_.empty() && key == last_key_;
  if (key < last_key_ || (goes_on && group.front().listed.modified >= *last_modified_)) {
    return Error(ErrorCode::corrupt, "list the versions of " + naming(bucket_, key) + ": out of order");
  }
  last_key_ = key;
  last_modified_ = group.back().listed.modified;
  for (size_t begin = 0; begin < group.size();) {
    size_t end = begin;
    while (end < group.size() && group[end].listed.modified == group[begin].listed.modified) ++end;
    for (size_t at = begin; at < end; ++at) {
      ready_.push_back({std::move(group[at].listed), static_cast<uint32_t>(end - 1 - at)});
    }
    begin = end;
  }
  return {};
}

Result<std::optional<RankedVersion>> VersionLister::next() {
  if (stop_.stop_requested()) return stopped();
  if (ready_.empty() && !TRY(gather())) return std::optional<RankedVersion>();
  std::optional<RankedVersion> version(std::move(ready_.front()));
  ready_.pop_front();
  return version;
}

}  // namespace holdfast::aws::s3
