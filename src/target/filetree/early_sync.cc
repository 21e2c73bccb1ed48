// SPDX-License-Identifier: Apache-2.0
#include "target/filetree/early_sync.h"

#include "os/file.h"

namespace holdfast::target::filetree {

void EarlySync::wrote(uint64_t size_bytes) {
  if (size_bytes_ == 0) return;
  if (unsynced_bytes_.fetch_add(size_bytes, std::memory_order_relaxed) + size_bytes < size_bytes_) return;
  if (!is_syncing_.exchange(true, std::memory_order_acquire)) begin_sync();
}

void EarlySync::begin_sync() {
  unsynced_bytes_.store(0, std::memory_order_relaxed);
  const MutexLock lock(mutex_);
  // The thread before needs the mutex no more: it has only to end.
  thread_ = std::jthread([this] {
    if (Status synced = os::sync_filesystem(root_->get()); !synced) {
      const MutexLock error_lock(mutex_);
      if (!error_) error_ = std::move(synced.error());
    }
    is_syncing_.store(false, std::memory_order_release);
  });
}

Status EarlySync::finish() {
  std::jthread last;
  {
    const MutexLock lock(mutex_);
    last = std::move(thread_);
  }
  if (last.joinable()) last.join();
  const MutexLock lock(mutex_);
  if (error_) return *error_;
  return {};
}

}  // namespace holdfast::target::filetree
