// SPDX-License-Identifier: Apache-2.0
#include "source/s3/fetch_pool.h"

namespace holdfast::source {

namespace {
constexpr size_t spare_count_max = 8;
}

FetchPool::FetchPool(unsigned thread_count, uint64_t held_size_bytes_max) : held_size_bytes_max_(held_size_bytes_max) {
  for (unsigned started = 0; started < thread_count; ++started) threads_.emplace_back([this] { work(); });
}

FetchPool::~FetchPool() {
  std::deque<std::function<void()>> dropped;  // What goes with them may give room back.
  {
    const MutexLock lock(mutex_);
    is_closed_ = true;
    dropped.swap(tasks_);
    wanted_.notify_all();
    released_.notify_all();
  }
  dropped.clear();
  threads_.clear();
}

void FetchPool::run(std::function<void()> task) {
  const MutexLock lock(mutex_);
  tasks_.push_back(std::move(task));
  wanted_.notify_one();
}

void FetchPool::work() {
  for (;;) {
    std::function<void()> task;
    {
      const MutexLock lock(mutex_);
      while (tasks_.empty() && !is_closed_) wanted_.wait(mutex_);
      if (is_closed_) return;
      task = std::move(tasks_.front());
      tasks_.pop_front();
    }
    task();
  }
}

bool FetchPool::has_room(uint64_t size_bytes) const {
  return held_size_bytes_ == 0 || held_size_bytes_ + size_bytes <= held_size_bytes_max_;
}

bool FetchPool::reserve(uint64_t size_bytes, const std::stop_token& stop) {
  const std::stop_callback wake(stop, [this] {
    const MutexLock lock(mutex_);
    released_.notify_all();
  });
  const MutexLock lock(mutex_);
  while (!has_room(size_bytes) && !is_closed_ && !stop.stop_requested()) released_.wait(mutex_);
  if (is_closed_ || stop.stop_requested()) return false;
  held_size_bytes_ += size_bytes;
  return true;
}

bool FetchPool::try_reserve(uint64_t size_bytes) {
  const MutexLock lock(mutex_);
  if (!has_room(size_bytes)) return false;
  held_size_bytes_ += size_bytes;
  return true;
}

void FetchPool::release(uint64_t size_bytes) {
  const MutexLock lock(mutex_);
  held_size_bytes_ -= size_bytes;
  released_.notify_all();
}

Bytes FetchPool::take_buffer() {
  const MutexLock lock(mutex_);
  if (buffers_.empty()) return {};
  Bytes buffer = std::move(buffers_.back());
  buffers_.pop_back();
  return buffer;
}

void FetchPool::give_back(Bytes buffer) {
  const MutexLock lock(mutex_);
  if (buffer.capacity() > 0 && buffers_.size() < spare_count_max) buffers_.push_back(std::move(buffer));
}

}  // namespace holdfast::source
