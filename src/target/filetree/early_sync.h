// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <optional>
#include <thread>

#include "base/mutex.h"
#include "base/result.h"
#include "target/filetree/folder.h"

namespace holdfast::target::filetree {

// Has what was restored written out while the restore goes on, so that its end need not wait for all of it: the disk
// works while the processors decompress. One sync at a time, on a thread of its own, each time so many bytes have come
// together.
class EarlySync {
 public:
  // Never begins a sync if `size_bytes` is 0.
  EarlySync(FolderCache::Open root, uint64_t size_bytes) : root_(std::move(root)), size_bytes_(size_bytes) {}

  // So much has gone into the page cache. Any thread.
  void wrote(uint64_t size_bytes) EXCLUDES(mutex_);
  // Waits for the sync that is going on. The first error of any: the kernel tells of it once, so the sync at the end of
  // the restore would not fail for it again. Called when nothing writes any more.
  Status finish() EXCLUDES(mutex_);

 private:
  void begin_sync() EXCLUDES(mutex_);

  const FolderCache::Open root_;
  const uint64_t size_bytes_;
  std::atomic<uint64_t> unsynced_bytes_ = 0;
  std::atomic<bool> is_syncing_ = false;
  Mutex mutex_;
  std::optional<Error> error_ GUARDED_BY(mutex_);
  std::jthread thread_ GUARDED_BY(mutex_);
};

}  // namespace holdfast::target::filetree
