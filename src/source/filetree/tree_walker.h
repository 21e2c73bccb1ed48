// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <thread>
#include <vector>

#include "base/mutex.h"
#include "source/filetree/directory_lister.h"

namespace holdfast::source {

// A directory from when it is taken up for listing until the scan is through with it.
struct DirectoryNode {
  DirectoryPlace place;
  DirectoryListing listing;  // Valid once `done`; the walker touches it no more, except to read names.
  Status status;             // Of the listing.

  // Guarded by the walker's mutex.
  bool done = false;
  size_t dispatched_count = 0;  // Subdirectories taken up so far.
  std::deque<std::shared_ptr<DirectoryNode>> children;  // Those among them that the scan has not come to.
};

// Lists directories in several threads ahead of the scan that takes them in order. Threads always take the directory
// that comes first in key order, so that the scan never waits long, and stop when enough is listed ahead.
class TreeWalker {
 public:
  struct Limits {
    unsigned threads = 1;
    uint64_t ahead_entry_count_max = 64 * 1024;  // Listed, not yet taken; exceeded by one directory a thread.
    size_t ahead_directory_count_max = 512;
  };
  TreeWalker(const ScanContext& context, const Limits& limits);
  ~TreeWalker();

  // Lists the top of the tree.
  Result<std::shared_ptr<DirectoryNode>> start(DirectoryPlace place);
  // The next subdirectory of `parent`, listed. REQUIRES: there is one.
  Result<std::shared_ptr<DirectoryNode>> next_child(const std::shared_ptr<DirectoryNode>& parent);
  // Called once for each node taken, when its entries have been handed on.
  void taken(const DirectoryNode& node);

 private:
  using Pending = std::map<Bytes, std::shared_ptr<DirectoryNode>>;  // Next subdirectory's key -> its parent.

  void work();
  std::shared_ptr<DirectoryNode> dispatch(Pending::iterator next) REQUIRES_LOCK(mutex_);
  void list(DirectoryNode& node, DirectoryLister& lister);
  void add_pending(const std::shared_ptr<DirectoryNode>& parent) REQUIRES_LOCK(mutex_);
  void complete(const std::shared_ptr<DirectoryNode>& node) EXCLUDES(mutex_);
  bool may_go_ahead() const REQUIRES_LOCK(mutex_);

  const ScanContext& context_;
  const Limits limits_;
  DirectoryLister own_lister_;  // Of the scan's thread.
  Mutex mutex_;
  ConditionVariable work_to_do_, node_done_;
  Pending pending_ GUARDED_BY(mutex_);
  uint64_t ahead_entry_count_ GUARDED_BY(mutex_) = 0;
  size_t ahead_directory_count_ GUARDED_BY(mutex_) = 0;
  size_t idle_count_ GUARDED_BY(mutex_) = 0;
  bool stopping_ GUARDED_BY(mutex_) = false;
  std::vector<std::jthread> threads_;
};

}  // namespace holdfast::source
