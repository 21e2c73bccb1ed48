// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <condition_variable>
#include <mutex>

// A mutex whose use clang checks: -Wthread-safety flags every touch of a GUARDED_BY member without its lock.
#if defined(__clang__)
#define HOLDFAST_ANNOTATION(x) __attribute__((x))
#else
#define HOLDFAST_ANNOTATION(x)
#endif

#define GUARDED_BY(mutex) HOLDFAST_ANNOTATION(guarded_by(mutex))
#define REQUIRES_LOCK(...) HOLDFAST_ANNOTATION(exclusive_locks_required(__VA_ARGS__))
#define EXCLUDES(...) HOLDFAST_ANNOTATION(locks_excluded(__VA_ARGS__))

namespace holdfast {

class HOLDFAST_ANNOTATION(capability("mutex")) Mutex {
 public:
  void lock() HOLDFAST_ANNOTATION(acquire_capability()) { mutex_.lock(); }
  void unlock() HOLDFAST_ANNOTATION(release_capability()) { mutex_.unlock(); }
  bool try_lock() HOLDFAST_ANNOTATION(try_acquire_capability(true)) { return mutex_.try_lock(); }

 private:
  std::mutex mutex_;
};

class HOLDFAST_ANNOTATION(scoped_lockable) MutexLock {
 public:
  explicit MutexLock(Mutex& mutex) HOLDFAST_ANNOTATION(acquire_capability(mutex)) : mutex_(mutex) {
    mutex_.lock();
  }
  ~MutexLock() HOLDFAST_ANNOTATION(release_capability()) { mutex_.unlock(); }
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;

 private:
  Mutex& mutex_;
};

// Waits on a Mutex that the caller holds. Wake-ups may be spurious: wait in a loop that tests the condition.
class ConditionVariable {
 public:
  void wait(Mutex& mutex) REQUIRES_LOCK(mutex) { condition_.wait(mutex); }
  void notify_one() { condition_.notify_one(); }
  void notify_all() { condition_.notify_all(); }

 private:
  std::condition_variable_any condition_;
};

}  // namespace holdfast
