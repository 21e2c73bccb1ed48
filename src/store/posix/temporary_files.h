// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstdint>
#include <string>

#include "base/mutex.h"
#include "base/result.h"
#include "os/fd.h"

namespace holdfast::store {

// Names for files that are being written, in the folder "@tmp" of a store, and the removal of those that killed
// processes left there.
//
// Each writer holds a lock on a file "<writer>.alive" of its own for as long as it lives, and its temporary files are
// called "<writer>.<number>". A file whose writer's lock is free is an orphan. Writers start one after another (under
// the lock of "@gate"), so none is taken for dead between making its file and locking it. No clock is asked. Where the
// file system has no locks nothing is swept. Thread-safe.
class TemporaryFiles {
 public:
  // `root_fd` must stay open as long as this lives.
  explicit TemporaryFiles(int root_fd) : root_fd_(root_fd) {}
  ~TemporaryFiles();
  TemporaryFiles(const TemporaryFiles&) = delete;
  TemporaryFiles& operator=(const TemporaryFiles&) = delete;

  // A path beneath the root that no one else uses. The first call announces this writer and sweeps.
  Result<std::string> fresh_path() EXCLUDES(mutex_);

 private:
  Status announce() REQUIRES_LOCK(mutex_);
  Status sweep() REQUIRES_LOCK(mutex_);
  bool is_dead(const std::string& writer);

  const int root_fd_;
  std::atomic<uint64_t> number_ = 0;
  Mutex mutex_;
  std::string writer_ GUARDED_BY(mutex_);
  os::Fd alive_ GUARDED_BY(mutex_);
};

}  // namespace holdfast::store
