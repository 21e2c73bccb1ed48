// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <list>
#include <memory>
#include <string>
#include <unordered_map>

#include "base/mutex.h"
#include "base/result.h"
#include "os/beneath.h"
#include "os/fd.h"

namespace holdfast::target::filetree {

// A folder beneath the target, by name; its descriptor is opened when needed. There is one for every folder of the
// point until the end, so it is kept small.
struct Folder {
  std::shared_ptr<Folder> parent;  // Shared with its children and their writers. Null: the target itself.
  std::string name;
  uint32_t creation_group_id = 0;  // What files made in it belong to...
  bool group_known = false;        // ...if that is known.
  bool made = false;               // By this run: nothing stood in it.
  bool missing = false;            // Dry runs: would have been made.
  bool inherits_acl = false;       // New files get an ACL from it.
  std::atomic<bool> reserved_names = false;  // The point has names in it that look like our temporary ones.
};

// "a/b/c" beneath the target, for messages.
std::string path_of(const Folder& folder, const std::string& name);

// Keeps the descriptors of the folders used last, a bounded number, and opens others again. Any thread.
class FolderCache {
 public:
  FolderCache(os::Fd root, os::Mounts mounts, size_t count_max);

  // The descriptor stays open while the caller holds it, even if the cache drops it.
  using Open = std::shared_ptr<const os::Fd>;
  // Errors as os::open_beneath().
  Result<Open> open(const std::shared_ptr<Folder>& folder) EXCLUDES(mutex_);
  Open root() const { return root_; }

 private:
  struct Slot {
    std::shared_ptr<Folder> folder;
    Open fd;
  };
  Open find(const Folder* folder) EXCLUDES(mutex_);
  void insert(const std::shared_ptr<Folder>& folder, const Open& fd) EXCLUDES(mutex_);

  const Open root_;
  const os::Mounts mounts_;
  const size_t count_max_;
  Mutex mutex_;
  std::list<Slot> slots_ GUARDED_BY(mutex_);  // The one used last stands first.
  std::unordered_map<const Folder*, std::list<Slot>::iterator> by_folder_ GUARDED_BY(mutex_);
};

}  // namespace holdfast::target::filetree
