// SPDX-License-Identifier: Apache-2.0
#include "target/filetree/folder.h"

#include <algorithm>
#include <vector>

namespace holdfast::target::filetree {

namespace {
constexpr size_t path_size_bytes_max = 4000;  // Of one call; longer ways are walked in several.
}

std::string path_of(const Folder& folder, const std::string& name) {
  std::vector<const std::string*> parts;
  for (const Folder* at = &folder; at->parent != nullptr; at = at->parent.get()) parts.push_back(&at->name);
  std::string path;
  for (auto part = parts.rbegin(); part != parts.rend(); ++part) {
    path += **part;
    path += '/';
  }
  path += name;
  if (name.empty() && !path.empty()) path.pop_back();
  return path.empty() ? "." : path;
}

FolderCache::FolderCache(os::Fd root, os::Mounts mounts, size_t count_max)
    : root_(std::make_shared<const os::Fd>(std::move(root))), mounts_(mounts), count_max_(count_max) {}

FolderCache::Open FolderCache::find(const Folder* folder) {
  if (folder->parent == nullptr) return root_;
  const MutexLock lock(mutex_);
  const auto found = by_folder_.find(folder);
  if (found == by_folder_.end()) return nullptr;
  slots_.splice(slots_.begin(), slots_, found->second);
  return found->second->fd;
}

void FolderCache::insert(const std::shared_ptr<Folder>& folder, const Open& fd) {
  const MutexLock lock(mutex_);
  if (by_folder_.contains(folder.get())) return;
  slots_.push_front({folder, fd});
  by_folder_[folder.get()] = slots_.begin();
  if (slots_.size() <= count_max_) return;
  by_folder_.erase(slots_.back().folder.get());
  slots_.pop_back();
}

Result<FolderCache::Open> FolderCache::open(const std::shared_ptr<Folder>& folder) {
  if (Open cached = find(folder.get())) return cached;
  std::vector<const Folder*> way;
  Open from;
  for (const Folder* at = folder.get(); from == nullptr; at = at->parent.get()) {
    from = find(at);
    if (from == nullptr) way.push_back(at);
  }
  std::reverse(way.begin(), way.end());
  os::Fd fd;
  for (size_t next = 0; next < way.size();) {
    std::string path = way[next++]->name;
    while (next < way.size() && path.size() + 1 + way[next]->name.size() < path_size_bytes_max) {
      path += '/';
      path += way[next++]->name;
    }
    fd = TRY(os::open_directory_beneath(fd.is_open() ? fd.get() : from->get(), path, mounts_));
  }
  const Open opened = std::make_shared<const os::Fd>(std::move(fd));
  insert(folder, opened);
  return opened;
}

}  // namespace holdfast::target::filetree
