// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "aws/s3/key_density.h"
#include "aws/s3/list_versions.h"
#include "base/bounded_queue.h"
#include "base/mutex.h"

namespace holdfast::aws::s3 {

// A version with its place among those of one key and one second: from 0, the oldest.
struct RankedVersion {
  ListedVersion listed;
  uint32_t rank = 0;
};

enum class Listed : uint8_t {
  versions,
  // ListObjectsV2: objects as they are, each as a version "null". All there is where versions were never kept.
  current,
};

struct ListingRequest {
  Listed listed = Listed::versions;
  std::string prefix;
  // Keys, ascending: what lies between two of them is listed by itself, several such ranges at once. Without them a
  // listing that turns out long is divided by guesses.
  std::vector<std::string> splits;
  unsigned thread_count = 1;
  bool only_key = false;  // Only the key that `prefix` is. REQUIRES: neither splits nor several threads.
};

// All versions in a bucket, or its objects as they are, by ascending key, the newest of a key first. Pages are fetched
// ahead by several threads; memory is bounded whatever the bucket's size. One thread uses it.
class VersionLister {
 public:
  // `bucket` must outlive this.
  VersionLister(const Bucket& bucket, ListingRequest request, std::stop_token stop);
  ~VersionLister();

  // Nothing at the end. `corrupt` if the server's listing contradicts itself; `cancelled` after a stop.
  Result<std::optional<RankedVersion>> next();

 private:
  using Page = Result<std::vector<ListedVersion>>;
  struct Range {
    explicit Range(std::string from);
    const std::string after;          // Empty: from the first key.
    std::optional<std::string> last;  // None: to the end. Guarded by the lister's mutex.
    BoundedQueue<Page> pages;
  };
  struct Grouped {
    ListedVersion listed;
    uint64_t page = 0;
  };

  void work();
  void list(Range& range);
  Result<ListVersionsPage> fetch(const ListVersions& request);
  Range* take_range() EXCLUDES(mutex_);
  Range* range_to_read() EXCLUDES(mutex_);
  std::optional<std::string> next_boundary() REQUIRES_LOCK(mutex_);
  bool trim(ListVersionsPage& page, Range& range, size_t page_count) EXCLUDES(mutex_);
  void learn(const ListVersionsPage& page, Range& range, size_t page_count) REQUIRES_LOCK(mutex_);
  void end_all() EXCLUDES(mutex_);
  Result<bool> fill_page();
  Result<bool> gather();
  Status order(std::vector<Grouped>& group);
  Status ask_for_order(std::vector<Grouped>& group);
  Status emit(std::vector<Grouped> group);

  const Bucket& bucket_;
  const Listed listed_;
  const std::string prefix_;
  const bool only_key_;
  std::stop_source stop_;
  std::stop_callback<std::function<void()>> outer_stop_;
  const bool guesses_;

  Mutex mutex_;
  ConditionVariable may_begin_;  // Or there is a further range to read, or none will follow.
  std::deque<std::string> splits_ GUARDED_BY(mutex_);
  KeyDensity density_ GUARDED_BY(mutex_);
  std::string frontier_ GUARDED_BY(mutex_);  // Where the next range begins.
  unsigned empty_count_ GUARDED_BY(mutex_) = 0;  // Guessed ranges in a row that held nothing.
  bool all_begun_ GUARDED_BY(mutex_) = false;
  bool is_undivided_ GUARDED_BY(mutex_) = false;  // There is one range, and no guess yet where to end it.
  std::deque<std::unique_ptr<Range>> ranges_ GUARDED_BY(mutex_);  // Those that were begun.
  size_t range_consumed_ GUARDED_BY(mutex_) = 0;
  std::vector<std::jthread> threads_;

  // The consumer's.
  std::vector<ListedVersion> page_;
  size_t page_at_ = 0;
  uint64_t page_number_ = 0;
  size_t range_at_ = 0;
  std::deque<RankedVersion> ready_;
  std::vector<Grouped> rest_;  // Of a key with very many versions.
  std::string last_key_;
  std::optional<UnixTimeNs> last_modified_;  // Of what was handed out under last_key_.
};

}  // namespace holdfast::aws::s3
