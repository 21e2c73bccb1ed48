// SPDX-License-Identifier: Apache-2.0
#include "source/filetree/tree_walker.h"

#include "base/check.h"

namespace holdfast::source {
namespace {

Bytes key_of_subdirectory(const DirectoryNode& parent, size_t index) {
  const std::string_view name = parent.listing.subdirectory_name(index);
  Bytes key;
  key.reserve(parent.place.key.size() + 1 + name.size());
  key = parent.place.key;
  if (!key.empty()) key.push_back(std::byte{0});
  const ByteView bytes = as_bytes(name);
  key.insert(key.end(), bytes.begin(), bytes.end());
  return key;
}

}  // namespace

TreeWalker::TreeWalker(const ScanContext& context, const Limits& limits)
    : context_(context), limits_(limits), own_lister_(context) {
  threads_.reserve(limits.threads);
  for (unsigned n = 0; n < limits.threads; ++n) threads_.emplace_back([this] { work(); });
}

TreeWalker::~TreeWalker() {
  {
    const MutexLock lock(mutex_);
    stopping_ = true;
    work_to_do_.notify_all();
  }
  threads_.clear();
}

bool TreeWalker::may_go_ahead() const {
  return ahead_entry_count_ < limits_.ahead_entry_count_max &&
         ahead_directory_count_ < limits_.ahead_directory_count_max;
}

void TreeWalker::add_pending(const std::shared_ptr<DirectoryNode>& parent) {
  if (parent->dispatched_count == parent->listing.subdirectories.size()) return;
  pending_.emplace(key_of_subdirectory(*parent, parent->dispatched_count), parent);
}

// Takes up the next subdirectory of a pending parent.
std::shared_ptr<DirectoryNode> TreeWalker::dispatch(Pending::iterator next) {
  Pending::node_type taken = pending_.extract(next);
  const std::shared_ptr<DirectoryNode> parent = std::move(taken.mapped());
  const size_t index = parent->dispatched_count++;
  const std::string_view name = parent->listing.subdirectory_name(index);
  auto node = std::make_shared<DirectoryNode>();
  DirectoryPlace& place = node->place;
  place.key = std::move(taken.key());
  const DirectoryPlace& above = parent->place;
  if (above.roots != nullptr) {
    const auto root = above.roots->children.find(name);
    if (root != above.roots->children.end()) place.roots = root->second.get();
  }
  const bool is_root = place.roots != nullptr && place.roots->is_root;
  const Subdirectory& subdirectory = parent->listing.subdirectories[index];
  place.whole = is_root || (above.whole && !subdirectory.leads_only);
  const bool above_all_roots = !above.whole && !is_root;
  place.handle = above.handle->child(name, above_all_roots ? os::FollowLinks::yes : os::FollowLinks::no);
  place.beyond_boundary = subdirectory.beyond_boundary;
  place.boundary_device = parent->listing.boundary_is_own ? parent->listing.device : above.boundary_device;
  place.parent_device = parent->listing.device;
  place.link_salt = parent->listing.link_salt;
  parent->children.push_back(node);
  ++ahead_directory_count_;
  add_pending(parent);
  return node;
}

void TreeWalker::list(DirectoryNode& node, DirectoryLister& lister) {
  Result<DirectoryListing> listing = lister.list(node.place);
  if (listing) {
    node.listing = std::move(*listing);
  } else {
    node.status = std::move(listing.error());
  }
}

void TreeWalker::complete(const std::shared_ptr<DirectoryNode>& node) {
  const MutexLock lock(mutex_);
  node->done = true;
  ahead_entry_count_ += node->listing.entry_count;
  add_pending(node);
  node_done_.notify_all();
  if (idle_count_ > 0 && !pending_.empty() && may_go_ahead()) work_to_do_.notify_all();
}

void TreeWalker::work() {
  DirectoryLister lister(context_);
  while (true) {
    std::shared_ptr<DirectoryNode> node;
    {
      const MutexLock lock(mutex_);
      while (!stopping_ && (pending_.empty() || !may_go_ahead())) {
        ++idle_count_;
        work_to_do_.wait(mutex_);
        --idle_count_;
      }
      if (stopping_) return;
      node = dispatch(pending_.begin());
      if (idle_count_ > 0 && !pending_.empty() && may_go_ahead()) work_to_do_.notify_one();
    }
    list(*node, lister);
    complete(node);
  }
}

Result<std::shared_ptr<DirectoryNode>> TreeWalker::start(DirectoryPlace place) {
  auto node = std::make_shared<DirectoryNode>();
  node->place = std::move(place);
  {
    const MutexLock lock(mutex_);
    ++ahead_directory_count_;
  }
  list(*node, own_lister_);
  complete(node);
  TRY_DO(std::move(node->status));
  return node;
}

Result<std::shared_ptr<DirectoryNode>> TreeWalker::next_child(const std::shared_ptr<DirectoryNode>& parent) {
  std::shared_ptr<DirectoryNode> node;
  bool is_mine = false;
  {
    const MutexLock lock(mutex_);
    if (parent->children.empty()) {
      // Nobody has come to it, for lack of threads or room: no reason to wait.
      const auto next = pending_.find(key_of_subdirectory(*parent, parent->dispatched_count));
      CHECK(next != pending_.end());
      dispatch(next);
      is_mine = true;
    }
    node = parent->children.front();
    parent->children.pop_front();
    // In a deep tree the keys of all that lies above would add up.
    if (parent->dispatched_count == parent->listing.subdirectories.size()) Bytes().swap(parent->place.key);
    while (!is_mine && !node->done) node_done_.wait(mutex_);
  }
  if (is_mine) {
    list(*node, own_lister_);
    complete(node);
  }
  TRY_DO(std::move(node->status));
  return node;
}

void TreeWalker::taken(const DirectoryNode& node) {
  const MutexLock lock(mutex_);
  ahead_entry_count_ -= node.listing.entry_count;
  --ahead_directory_count_;
  if (idle_count_ > 0 && !pending_.empty() && may_go_ahead()) work_to_do_.notify_all();
}

}  // namespace holdfast::source
