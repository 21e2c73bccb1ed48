// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <list>
#include <memory>
#include <unordered_map>

#include "base/bytes.h"
#include "base/hash_id.h"
#include "base/mutex.h"

namespace holdfast::mount {

// Plaintext of chunks, pieces and nodes by their ids, the least recently used leaving first. Any thread.
class BlockCache {
 public:
  explicit BlockCache(size_t size_bytes_max) : size_bytes_max_(size_bytes_max) {}

  // Shared, since a block may leave the cache while someone still reads from it. Null if it is not here.
  std::shared_ptr<const Bytes> find(const ChunkId& id) EXCLUDES(mutex_);
  // A block larger than an eighth of the cache is not kept.
  void put(const ChunkId& id, std::shared_ptr<const Bytes> block) EXCLUDES(mutex_);
  size_t size_bytes() EXCLUDES(mutex_);

 private:
  struct Kept {
    ChunkId id;
    std::shared_ptr<const Bytes> block;
  };
  const size_t size_bytes_max_;
  Mutex mutex_;
  std::list<Kept> newest_first_ GUARDED_BY(mutex_);
  std::unordered_map<ChunkId, std::list<Kept>::iterator> places_ GUARDED_BY(mutex_);
  size_t size_bytes_ GUARDED_BY(mutex_) = 0;
};

}  // namespace holdfast::mount
