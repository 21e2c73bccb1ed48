// SPDX-License-Identifier: Apache-2.0
#include "source/filetree/directory_handle.h"

#include <optional>
#include <vector>

#include "os/file_metadata.h"

namespace holdfast::source {

std::shared_ptr<DirectoryHandle> DirectoryHandles::top() {
  return std::make_shared<DirectoryHandle>(*this, nullptr, "/", os::FollowLinks::no);
}

size_t DirectoryHandles::open_count_for_test() {
  const MutexLock lock(mutex_);
  return open_count_;
}

std::vector<os::Fd> DirectoryHandles::shed() {
  std::vector<os::Fd> closed;
  while (open_count_ > open_count_max_ && !idle_.empty()) {
    DirectoryHandle* oldest = idle_.front();
    idle_.pop_front();
    closed.push_back(std::move(oldest->fd_));
    --open_count_;
  }
  return closed;
}

DirectoryHandle::~DirectoryHandle() {
  {
    const MutexLock lock(handles_.mutex_);
    if (fd_.is_open()) {
      handles_.idle_.erase(idle_place_);
      --handles_.open_count_;
    }
  }
  // One by one, not by recursion: a tree may be deeper than the stack.
  while (parent_ != nullptr && parent_.use_count() == 1) {
    std::shared_ptr<DirectoryHandle> next = std::move(parent_->parent_);
    parent_ = std::move(next);
  }
}

std::shared_ptr<DirectoryHandle> DirectoryHandle::child(std::string_view name, os::FollowLinks follow) {
  return std::make_shared<DirectoryHandle>(handles_, shared_from_this(), std::string(name), follow);
}

bool DirectoryHandle::pin_if_open(int& fd) {
  const MutexLock lock(handles_.mutex_);
  if (!fd_.is_open()) return false;
  if (pin_count_++ == 0) handles_.idle_.erase(idle_place_);
  fd = fd_.get();
  return true;
}

void DirectoryHandle::unpin() {
  std::vector<os::Fd> closed;
  const MutexLock lock(handles_.mutex_);
  if (--pin_count_ == 0) idle_place_ = handles_.idle_.insert(handles_.idle_.end(), this);
  closed = handles_.shed();
}

// Opens and pins. Another thread may do the same at once: the first to come back wins.
Result<int> DirectoryHandle::open_beneath(int parent_fd) {
  os::Fd opened = TRY(os::open_directory_at(parent_fd, name_, follow_));
  const os::FileStatus status = TRY(os::status_of(opened.get()));
  std::vector<os::Fd> closed;
  const MutexLock lock(handles_.mutex_);
  if (identified_ && (status.device != device_ || status.inode != inode_)) {
    return Error(ErrorCode::not_found, "directory " + name_ + " was replaced");
  }
  if (fd_.is_open()) {
    if (pin_count_++ == 0) handles_.idle_.erase(idle_place_);
    return fd_.get();
  }
  if (!identified_) {
    device_ = status.device;
    inode_ = status.inode;
    identified_ = true;
  }
  fd_ = std::move(opened);
  ++pin_count_;
  ++handles_.open_count_;
  closed = handles_.shed();
  return fd_.get();
}

Result<DirectoryHandle::Pin> DirectoryHandle::pin() {
  int fd = -1;
  if (pin_if_open(fd)) return Pin(shared_from_this(), fd);
  // Up to the nearest ancestor that is open, then down again.
  std::vector<std::shared_ptr<DirectoryHandle>> closed = {shared_from_this()};
  std::shared_ptr<DirectoryHandle> ancestor = parent_;
  while (ancestor != nullptr && !ancestor->pin_if_open(fd)) {
    closed.push_back(ancestor);
    ancestor = ancestor->parent_;
  }
  std::optional<Pin> lowest;
  lowest.emplace(std::move(ancestor), fd);
  while (!closed.empty()) {
    const int opened = TRY(closed.back()->open_beneath(lowest->fd()));
    lowest.emplace(std::move(closed.back()), opened);  // Its parent may be closed from here on.
    closed.pop_back();
  }
  return std::move(*lowest);
}

std::string DirectoryHandle::path() const {
  std::vector<const std::string*> names;
  for (const DirectoryHandle* handle = this; handle->parent_ != nullptr; handle = handle->parent_.get()) {
    names.push_back(&handle->name_);
  }
  std::string path;
  for (auto name = names.rbegin(); name != names.rend(); ++name) path += "/" + **name;
  return path.empty() ? "/" : path;
}

}  // namespace holdfast::source
