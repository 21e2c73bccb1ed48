// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <deque>
#include <functional>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "base/mutex.h"
#include "target/target.h"

namespace holdfast::target {

// What is held until something is sent.
struct HeldSize {
  uint64_t memory_bytes = 0;
  uint64_t scratch_bytes = 0;  // In mapped files: neither disk nor resident memory has room for any number of them.
};

// Threads that send, and what becomes of it. Tasks never wait for each other, so whoever waits for room gets it. Any
// thread.
class UploadPool {
 public:
  UploadPool(unsigned thread_count, HeldSize held_max);
  ~UploadPool();  // Lets what is under way end and drops the rest.

  // A task that sends what is held until it is done. Waits where too much of either kind is; one that is larger than
  // what may be held goes alone. A task that runs another does not wait, so that there is always one that can end.
  void run(HeldSize held, std::function<void()> task) EXCLUDES(mutex_);
  // What waits in memory for others to be sent first: false if that is too much already. Never waits itself.
  bool hold_waiting(uint64_t size_bytes) EXCLUDES(mutex_);
  void release_waiting(uint64_t size_bytes) EXCLUDES(mutex_);

  // Until all tasks are done.
  void drain() EXCLUDES(mutex_);

  void problem(std::string name, Error error) EXCLUDES(mutex_);
  void remark(const std::string& what) EXCLUDES(mutex_);
  std::vector<Problem> take_problems() EXCLUDES(mutex_);
  std::vector<Remark> remarks() const EXCLUDES(mutex_);

 private:
  struct Task {
    std::function<void()> run;
    HeldSize held;
  };
  void work();
  bool has_room(HeldSize more) const REQUIRES_LOCK(mutex_);

  const HeldSize held_max_;
  mutable Mutex mutex_;
  ConditionVariable wanted_, done_;
  std::deque<Task> tasks_ GUARDED_BY(mutex_);
  size_t running_count_ GUARDED_BY(mutex_) = 0;
  HeldSize held_ GUARDED_BY(mutex_);
  uint64_t waiting_size_bytes_ GUARDED_BY(mutex_) = 0;
  bool is_closed_ GUARDED_BY(mutex_) = false;
  std::vector<Problem> problems_ GUARDED_BY(mutex_);
  std::map<std::string, uint64_t> remarks_ GUARDED_BY(mutex_);
  std::vector<std::jthread> threads_;
};

}  // namespace holdfast::target
