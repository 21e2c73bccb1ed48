// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <deque>
#include <functional>
#include <stop_token>
#include <thread>
#include <vector>

#include "base/bytes.h"
#include "base/mutex.h"

namespace holdfast::source {

// Threads that wait for a server's answers, and a budget for what they hold in memory. What is asked for first is begun
// first. Any thread.
class FetchPool {
 public:
  FetchPool(unsigned thread_count, uint64_t held_size_bytes_max);
  // Lets what is under way end and drops the rest.
  ~FetchPool();

  void run(std::function<void()> task) EXCLUDES(mutex_);

  // Room for so many bytes, which wait for it where too much is held. False if a stop was asked for meanwhile. What is
  // larger than the whole budget gets in once nothing else is held.
  bool reserve(uint64_t size_bytes, const std::stop_token& stop) EXCLUDES(mutex_);
  // The same, at once or not at all.
  bool try_reserve(uint64_t size_bytes) EXCLUDES(mutex_);
  void release(uint64_t size_bytes) EXCLUDES(mutex_);

  // Memory that was used before, where there is some: the kernel clears each page of what is new. Of any size.
  Bytes take_buffer() EXCLUDES(mutex_);
  void give_back(Bytes buffer) EXCLUDES(mutex_);

 private:
  void work();
  bool has_room(uint64_t size_bytes) const REQUIRES_LOCK(mutex_);

  const uint64_t held_size_bytes_max_;
  Mutex mutex_;
  ConditionVariable wanted_, released_;
  std::vector<Bytes> buffers_ GUARDED_BY(mutex_);  // Tasks that go with the rest give theirs back.
  std::deque<std::function<void()>> tasks_ GUARDED_BY(mutex_);
  uint64_t held_size_bytes_ GUARDED_BY(mutex_) = 0;
  bool is_closed_ GUARDED_BY(mutex_) = false;
  std::vector<std::jthread> threads_;
};

}  // namespace holdfast::source
