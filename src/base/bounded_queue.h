// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <deque>
#include <optional>
#include <utility>

#include "base/mutex.h"

namespace holdfast {

// A first-in first-out queue that makes its writers wait when full. Any number of threads on either side.
template <class T>
class BoundedQueue {
 public:
  explicit BoundedQueue(size_t count_max) : count_max_(count_max) {}

  // False if the queue was closed: the item is dropped.
  bool push(T item) EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    while (items_.size() >= count_max_ && !closed_) not_full_.wait(mutex_);
    if (closed_) return false;
    items_.push_back(std::move(item));
    not_empty_.notify_one();
    return true;
  }
  // Nothing once the queue is closed and empty.
  std::optional<T> pop() EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    while (items_.empty() && !closed_) not_empty_.wait(mutex_);
    if (items_.empty()) return std::nullopt;
    std::optional<T> item(std::move(items_.front()));
    items_.pop_front();
    not_full_.notify_one();
    return item;
  }
  // What is queued can still be popped; nothing more can be pushed.
  void close() EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    closed_ = true;
    not_full_.notify_all();
    not_empty_.notify_all();
  }

 private:
  const size_t count_max_;
  Mutex mutex_;
  ConditionVariable not_full_, not_empty_;
  std::deque<T> items_ GUARDED_BY(mutex_);
  bool closed_ GUARDED_BY(mutex_) = false;
};

}  // namespace holdfast
