// SPDX-License-Identifier: Apache-2.0
#include "mount/block_cache.h"

namespace holdfast::mount {

namespace {
constexpr size_t largest_share = 8;
}  // namespace

std::shared_ptr<const Bytes> BlockCache::find(const ChunkId& id) {
  const MutexLock lock(mutex_);
  const auto found = places_.find(id);
  if (found == places_.end()) return nullptr;
  newest_first_.splice(newest_first_.begin(), newest_first_, found->second);
  return found->second->block;
}

void BlockCache::put(const ChunkId& id, std::shared_ptr<const Bytes> block) {
  if (block->size() > size_bytes_max_ / largest_share) return;
  const MutexLock lock(mutex_);
  if (places_.contains(id)) return;
  size_bytes_ += block->size();
  newest_first_.push_front({id, std::move(block)});
  places_[id] = newest_first_.begin();
  while (size_bytes_ > size_bytes_max_) {
    const Kept& oldest = newest_first_.back();
    size_bytes_ -= oldest.block->size();
    places_.erase(oldest.id);
    newest_first_.pop_back();
  }
}

size_t BlockCache::size_bytes() {
  const MutexLock lock(mutex_);
  return size_bytes_;
}

}  // namespace holdfast::mount
