// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <list>
#include <memory>
#include <string>
#include <vector>

#include "base/mutex.h"
#include "base/result.h"
#include "os/directory.h"
#include "os/fd.h"

namespace holdfast::source {

class DirectoryHandle;

// Bounds how many directories are open at once, however deep or wide the tree: the one that was not used for longest
// is closed and opened again when it is needed. Any thread.
class DirectoryHandles {
 public:
  explicit DirectoryHandles(size_t open_count_max) : open_count_max_(open_count_max) {}
  // "/". Outlived by these.
  std::shared_ptr<DirectoryHandle> top();
  size_t open_count_for_test() EXCLUDES(mutex_);

 private:
  friend class DirectoryHandle;
  using Idle = std::list<DirectoryHandle*>;

  // Gives up what is idle beyond the bound. Descriptors are closed by the caller, without the lock.
  std::vector<os::Fd> shed() REQUIRES_LOCK(mutex_);

  const size_t open_count_max_;
  Mutex mutex_;
  Idle idle_ GUARDED_BY(mutex_);  // Open and not pinned, least recently used first.
  size_t open_count_ GUARDED_BY(mutex_) = 0;
};

// One directory of the tree being read, reached from its parent by name and never by a path, so that no path is too
// long and no symlink is followed on the way. Shared by its children and by the contents of its files that are still
// to be read.
class DirectoryHandle : public std::enable_shared_from_this<DirectoryHandle> {
 public:
  // Keeps the descriptor open while it lives.
  class Pin {
   public:
    Pin(std::shared_ptr<DirectoryHandle> handle, int fd) : handle_(std::move(handle)), fd_(fd) {}
    ~Pin() {
      if (handle_) handle_->unpin();
    }
    Pin(Pin&&) noexcept = default;
    Pin& operator=(Pin&&) = delete;
    int fd() const { return fd_; }

   private:
    std::shared_ptr<DirectoryHandle> handle_;
    int fd_;
  };

  DirectoryHandle(DirectoryHandles& handles, std::shared_ptr<DirectoryHandle> parent, std::string name,
                  os::FollowLinks follow)
      : handles_(handles), parent_(std::move(parent)), name_(std::move(name)), follow_(follow) {}
  ~DirectoryHandle();
  DirectoryHandle(const DirectoryHandle&) = delete;
  DirectoryHandle& operator=(const DirectoryHandle&) = delete;

  std::shared_ptr<DirectoryHandle> child(std::string_view name, os::FollowLinks follow);
  // Opens if need be. `not_found` if the directory has gone or another is in its place.
  Result<Pin> pin();
  // For messages.
  std::string path() const;
  // Of the file system; known once it was pinned.
  uint64_t device() const { return device_; }

 private:
  friend class DirectoryHandles;

  bool pin_if_open(int& fd);
  Result<int> open_beneath(int parent_fd);
  void unpin();

  DirectoryHandles& handles_;
  std::shared_ptr<DirectoryHandle> parent_;  // Null: "/".
  const std::string name_;
  const os::FollowLinks follow_;
  // The four below are guarded by handles_.mutex_ (which the analysis cannot name from here).
  os::Fd fd_;
  int pin_count_ = 0;
  DirectoryHandles::Idle::iterator idle_place_;
  bool identified_ = false;
  // Written once, before the first pin is handed out.
  uint64_t device_ = 0;
  uint64_t inode_ = 0;
};

}  // namespace holdfast::source
