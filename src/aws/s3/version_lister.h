// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "aws/s3/list_versions.h"
#include "base/bounded_queue.h"
#include "base/mutex.h"

namespace holdfast::aws::s3 {

// A version with its place among those of one key and one second: from 0, the oldest.
struct RankedVersion {
  ListedVersion listed;
  uint32_t rank = 0;
};

struct ListingRequest {
  std::string prefix;
  // Keys, ascending: what lies between two of them is listed by itself, several such ranges at once.
  std::vector<std::string> splits;
  unsigned thread_count = 1;
};

// All versions in a bucket, by ascending key, the newest of a key first. Pages are fetched ahead by several threads;
// memory is bounded whatever the bucket's size. One thread uses it.
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
    Range(std::string from, std::optional<std::string> to);
    const std::string after;                // Empty: from the first key.
    const std::optional<std::string> last;  // None: to the end.
    BoundedQueue<Page> pages;
  };
  struct Grouped {
    ListedVersion listed;
    uint64_t page = 0;
  };

  void work();
  void list(Range& range);
  Range* take_range() EXCLUDES(mutex_);
  Result<bool> fill_page();
  Result<bool> gather();
  Status order(std::vector<Grouped>& group);
  Status ask_for_order(std::vector<Grouped>& group);
  Status emit(std::vector<Grouped> group);

  const Bucket& bucket_;
  const std::string prefix_;
  std::stop_source stop_;
  std::stop_callback<std::function<void()>> outer_stop_;
  std::vector<std::unique_ptr<Range>> ranges_;

  Mutex mutex_;
  ConditionVariable may_begin_;
  size_t next_range_ GUARDED_BY(mutex_) = 0;
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
