// SPDX-License-Identifier: Apache-2.0
#include "job/fresh_nodes.h"

namespace holdfast::job {

std::optional<Bytes> FreshNodes::find(const ChunkId& id) {
  const MutexLock lock(mutex_);
  const auto found = nodes_.find(id);
  return found == nodes_.end() ? std::nullopt : std::optional(found->second);
}

void FreshNodes::add(const ChunkId& id, ByteView node) {
  const MutexLock lock(mutex_);
  if (nodes_.emplace(id, to_bytes(node)).second) size_bytes_ += node.size();
}

void FreshNodes::clear() {
  const MutexLock lock(mutex_);
  nodes_.clear();
  size_bytes_ = 0;
}

bool FreshNodes::is_full() {
  const MutexLock lock(mutex_);
  return size_bytes_ > size_bytes_max_;
}

Result<ChunkId> FreshNodeStore::put(ByteView node) {
  const ChunkId id = TRY(stored_.put(node));
  fresh_.add(id, node);
  if (session_ != nullptr && fresh_.is_full()) {
    TRY_DO(session_->flush());
    fresh_.clear();
  }
  return id;
}

Result<Bytes> FreshNodeStore::get(const ChunkId& id) {
  if (auto node = fresh_.find(id)) return std::move(*node);
  return stored_.get(id);
}

}  // namespace holdfast::job
