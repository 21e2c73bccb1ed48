// SPDX-License-Identifier: Apache-2.0
#include "aws/s3/version_lister.h"

#include <algorithm>
#include <map>

#include "aws/s3/list_objects.h"
#include "aws/s3/listing_text.h"

namespace holdfast::aws::s3 {

namespace {

constexpr size_t pages_ahead_max = 16;
constexpr size_t ranges_ahead_max = 12;
// Where ranges are guessed: how much is listed before that is worth it, and how much one is meant to have.
constexpr size_t pages_before_guess = 4;
constexpr uint64_t pages_in_guess = 8;
constexpr unsigned doublings_max = 40;
// Versions of one key that are put in order at once; and, where the server leaves their order open, asked for one by
// one.
constexpr size_t group_count_max = 50'000;
constexpr size_t same_second_count_max = 1'000'000;
constexpr size_t asked_count_max = 1'000;
constexpr uint32_t page_of_many = 1'000;
constexpr uint32_t page_of_one_key = 32;

Result<ListedVersion> as_version(ListedObject object) {
  if (!object.modified) return Error(ErrorCode::corrupt, "an object without time");
  return ListedVersion{.key = std::move(object.key),
                       .version_id = "null",
                       .is_delete_marker = false,
                       .is_latest = true,
                       .modified = whole_seconds(*object.modified),
                       .size_bytes = object.size_bytes,
                       .etag = std::string(unquoted(object.etag)),
                       .storage_class = std::move(object.storage_class),
                       .is_thawed = object.is_thawed};
}

Error stopped() { return Error(ErrorCode::cancelled, "the listing was stopped"); }

}  // namespace

VersionLister::Range::Range(std::string from) : after(std::move(from)), pages(pages_ahead_max) {}

VersionLister::VersionLister(const Bucket& bucket, ListingRequest request, std::stop_token stop)
    : bucket_(bucket),
      listed_(request.listed),
      prefix_(std::move(request.prefix)),
      only_key_(request.only_key),
      outer_stop_(std::move(stop), [this] { stop_.request_stop(); }),
      guesses_(request.splits.empty() && request.thread_count > 1),
      splits_(std::make_move_iterator(request.splits.begin()), std::make_move_iterator(request.splits.end())) {
  const size_t range_count = guesses_ ? request.thread_count : request.splits.size() + 1;
  const size_t thread_count = std::min<size_t>(std::max(1u, request.thread_count), range_count);
  for (size_t started = 0; started < thread_count; ++started) threads_.emplace_back([this] { work(); });
}

VersionLister::~VersionLister() {
  stop_.request_stop();
  end_all();
  threads_.clear();
}

// After a stop nobody must wait for what does not come any more.
void VersionLister::end_all() {
  const MutexLock lock(mutex_);
  all_begun_ = true;
  for (const auto& range : ranges_) range->pages.close();
  may_begin_.notify_all();
}

std::optional<std::string> VersionLister::next_boundary() {
  if (guesses_) return ranges_.empty() ? std::nullopt : density_.ahead_of(frontier_, pages_in_guess << empty_count_);
  if (splits_.empty()) return std::nullopt;
  std::string split = std::move(splits_.front());
  splits_.pop_front();
  return split;
}

VersionLister::Range* VersionLister::take_range() {
  const MutexLock lock(mutex_);
  while (!all_begun_ && (is_undivided_ || ranges_.size() > range_consumed_ + ranges_ahead_max)) may_begin_.wait(mutex_);
  if (all_begun_) return nullptr;
  auto range = std::make_unique<Range>(frontier_);
  range->last = next_boundary();
  if (only_key_) range->last = prefix_;
  if (only_key_) {
    all_begun_ = true;
  } else if (range->last) {
    frontier_ = *range->last;
  } else if (guesses_ && ranges_.empty()) {
    is_undivided_ = true;  // learn() divides it if it turns out long.
  } else {
    all_begun_ = true;
  }
  ranges_.push_back(std::move(range));
  may_begin_.notify_all();
  return ranges_.back().get();
}

void VersionLister::work() {
  while (!stop_.stop_requested()) {
    Range* const range = take_range();
    if (range == nullptr) return;
    list(*range);
    range->pages.close();
  }
  end_all();
}

// From what a page says of the keys, before what lies behind the range's end is left out.
void VersionLister::learn(const ListVersionsPage& page, Range& range, size_t page_count) {
  const bool is_empty = page.versions.empty();
  if (!is_empty) density_.learn(page.versions.front().key, page.versions.back().key);
  const bool goes_beyond = !is_empty && range.last && page.versions.back().key > *range.last;
  if (!page.is_truncated && !goes_beyond) {
    all_begun_ = true;  // Nothing follows, in whatever range.
  } else if (is_undivided_ && page_count == pages_before_guess) {
    is_undivided_ = false;
    frontier_ = page.next_key_marker;
    range.last = next_boundary();
    if (range.last) frontier_ = *range.last;
    if (!range.last) all_begun_ = true;
  } else if (goes_beyond && page_count == 1 && page.versions.front().key > *range.last) {
    // All that lies before that key is empty. Steps grow, so that no gap takes many.
    empty_count_ = std::min(empty_count_ + 1, doublings_max);
    frontier_ = std::max(frontier_, KeyDensity::just_before(page.versions.front().key));
  }
  if (!is_empty && (!range.last || page.versions.front().key <= *range.last)) empty_count_ = 0;
  may_begin_.notify_all();
}

// Takes away what lies outside the range; whether its end was reached. Asked for what follows a key, versitygw begins
// with that key, which is the range's before.
bool VersionLister::trim(ListVersionsPage& page, Range& range, size_t page_count) {
  const MutexLock lock(mutex_);
  if (!range.after.empty()) {
    std::erase_if(page.versions, [&](const ListedVersion& version) { return version.key <= range.after; });
  }
  if (guesses_) learn(page, range, page_count);
  if (!range.last) return !page.is_truncated;
  const auto end = std::upper_bound(
      page.versions.begin(), page.versions.end(), *range.last,
      [](const std::string& last, const ListedVersion& version) { return last < version.key; });
  const bool is_reached = !page.is_truncated || end != page.versions.end() || page.next_key_marker > *range.last;
  page.versions.erase(end, page.versions.end());
  return is_reached;
}

Result<ListVersionsPage> VersionLister::fetch(const ListVersions& request) {
  if (listed_ == Listed::versions) return list_versions(bucket_, request, stop_.get_token());
  auto listed = TRY(list_objects(bucket_,
                                 {.prefix = request.prefix,
                                  .start_after = request.key_marker,
                                  .key_count_max = request.count_max,
                                  .with_thawed = true},
                                 stop_.get_token()));
  ListVersionsPage page;
  page.is_truncated = listed.is_truncated;
  if (page.is_truncated) page.next_key_marker = listed.objects.back().key;
  page.versions.reserve(listed.objects.size());
  for (ListedObject& object : listed.objects) {
    auto version = TRY(as_version(std::move(object)).during("list " + naming(bucket_, prefix_)));
    page.versions.push_back(std::move(version));
  }
  return page;
}

void VersionLister::list(Range& range) {
  std::string key = range.after, version_id;
  for (size_t page_count = 1;; ++page_count) {
    // A key comes before all that go on behind it.
    const uint32_t count_max = only_key_ && page_count == 1 ? page_of_one_key : page_of_many;
    auto page = fetch({.prefix = prefix_,
                       .key_marker = key,
                       .version_id_marker = version_id,
                       .count_max = count_max,
                       .may_begin_with_marker = page_count == 1});  // trim() takes away what is the range's before.
    if (!page) {
      range.pages.push(std::move(page.error()));
      return;
    }
    const bool is_last = trim(*page, range, page_count);
    if (!range.pages.push(std::move(page->versions)) || is_last) return;
    key = std::move(page->next_key_marker);
    version_id = std::move(page->next_version_id_marker);
  }
}

// The range that comes next; none at the end.
VersionLister::Range* VersionLister::range_to_read() {
  const MutexLock lock(mutex_);
  while (!all_begun_ && range_at_ == ranges_.size()) may_begin_.wait(mutex_);
  return range_at_ < ranges_.size() ? ranges_[range_at_].get() : nullptr;
}

// Sees to it that there is a version at page_at_; false at the end.
Result<bool> VersionLister::fill_page() {
  while (page_at_ == page_.size()) {
    Range* const range = range_to_read();
    if (stop_.stop_requested()) return stopped();
    if (range == nullptr) return false;
    auto page = range->pages.pop();
    if (!page) {
      if (stop_.stop_requested()) return stopped();
      const MutexLock lock(mutex_);
      range_consumed_ = ++range_at_;
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
    ListedVersion& listed = page_[page_at_++];
    const bool is_repeated = !group.empty() && listed.version_id == group.back().listed.version_id;
    if (is_repeated) continue;  // A key has no two versions of one id: told twice, it is there once.
    group.push_back({std::move(listed), page_number_});
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
