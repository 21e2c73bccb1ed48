// SPDX-License-Identifier: Apache-2.0
#include "target/s3/upload_pool.h"

namespace holdfast::target {

namespace {
constexpr size_t problems_kept_max = 100'000;
// What a task takes up beside the bytes it sends.
constexpr uint64_t task_size_bytes = 4096;
thread_local bool is_sender = false;
}

UploadPool::UploadPool(unsigned thread_count, HeldSize held_max) : held_max_(held_max) {
  for (unsigned started = 0; started < thread_count; ++started) threads_.emplace_back([this] { work(); });
}

UploadPool::~UploadPool() {
  std::deque<Task> dropped;
  {
    const MutexLock lock(mutex_);
    is_closed_ = true;
    dropped.swap(tasks_);
    wanted_.notify_all();
    done_.notify_all();
  }
  threads_.clear();
}

bool UploadPool::has_room(HeldSize more) const {
  const auto fits = [](uint64_t held, uint64_t added, uint64_t max) {
    return held == 0 || added == 0 || held + added <= max;
  };
  return fits(held_.memory_bytes, more.memory_bytes, held_max_.memory_bytes) &&
         fits(held_.scratch_bytes, more.scratch_bytes, held_max_.scratch_bytes);
}

void UploadPool::run(HeldSize held, std::function<void()> task) {
  held.memory_bytes += task_size_bytes;
  const MutexLock lock(mutex_);
  while (!is_sender && !is_closed_ && !has_room(held)) done_.wait(mutex_);
  if (is_closed_) return;
  held_.memory_bytes += held.memory_bytes;
  held_.scratch_bytes += held.scratch_bytes;
  tasks_.push_back({std::move(task), held});
  wanted_.notify_one();
}

void UploadPool::work() {
  is_sender = true;
  for (;;) {
    Task task;
    {
      const MutexLock lock(mutex_);
      while (tasks_.empty() && !is_closed_) wanted_.wait(mutex_);
      if (is_closed_) return;
      task = std::move(tasks_.front());
      tasks_.pop_front();
      ++running_count_;
    }
    task.run();
    task.run = nullptr;  // What it holds goes before its room does.
    const MutexLock lock(mutex_);
    --running_count_;
    held_.memory_bytes -= task.held.memory_bytes;
    held_.scratch_bytes -= task.held.scratch_bytes;
    done_.notify_all();
  }
}

bool UploadPool::hold_waiting(uint64_t size_bytes) {
  const MutexLock lock(mutex_);
  if (waiting_size_bytes_ + size_bytes > held_max_.memory_bytes / 2) return false;
  waiting_size_bytes_ += size_bytes;
  return true;
}

void UploadPool::release_waiting(uint64_t size_bytes) {
  const MutexLock lock(mutex_);
  waiting_size_bytes_ -= size_bytes;
}

void UploadPool::drain() {
  const MutexLock lock(mutex_);
  while (!is_closed_ && (running_count_ > 0 || !tasks_.empty())) done_.wait(mutex_);
}

void UploadPool::problem(std::string name, Error error) {
  const MutexLock lock(mutex_);
  if (problems_.size() < problems_kept_max) problems_.push_back({std::move(name), std::move(error)});
}

void UploadPool::remark(const std::string& what) {
  const MutexLock lock(mutex_);
  ++remarks_[what];
}

std::vector<Problem> UploadPool::take_problems() {
  const MutexLock lock(mutex_);
  return std::exchange(problems_, {});
}

std::vector<Remark> UploadPool::remarks() const {
  const MutexLock lock(mutex_);
  std::vector<Remark> all;
  for (const auto& [what, count] : remarks_) all.push_back({what, count});
  return all;
}

}  // namespace holdfast::target
