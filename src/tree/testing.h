// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sodium/crypto_generichash_blake2b.h>

#include <atomic>
#include <unordered_map>

#include "base/mutex.h"
#include "tree/node_store.h"

namespace holdfast::tree {

// Nodes in memory, named by a hash that stands in for the vault's, with counters of what was asked.
class MemoryNodeStore : public NodeStore {
 public:
  Result<ChunkId> put(ByteView node) override {
    const ChunkId id = name(node);
    const MutexLock lock(mutex_);
    ++put_count;
    const auto [place, added] = nodes_.try_emplace(id);
    if (added) place->second = to_bytes(node);
    return id;
  }
  Result<Bytes> get(const ChunkId& id) override {
    const MutexLock lock(mutex_);
    ++get_count;
    const auto found = nodes_.find(id);
    if (found == nodes_.end()) return Error(ErrorCode::not_found, "node " + to_hex(id));
    return found->second;
  }
  // Puts other bytes under a name, as hostile storage might.
  void plant(const ChunkId& id, ByteView node) {
    const MutexLock lock(mutex_);
    nodes_[id] = to_bytes(node);
  }
  size_t node_count() const {
    const MutexLock lock(mutex_);
    return nodes_.size();
  }
  size_t node_size_bytes_largest() const {
    const MutexLock lock(mutex_);
    size_t largest = 0;
    for (const auto& [id, node] : nodes_) largest = std::max(largest, node.size());
    return largest;
  }
  static ChunkId name(ByteView node) {
    ChunkId id;
    crypto_generichash_blake2b(as_u8(MutableByteView(id.value)), ChunkId::size_bytes, as_u8(node), node.size(),
                               nullptr, 0);
    return id;
  }

  std::atomic<uint64_t> put_count = 0;
  std::atomic<uint64_t> get_count = 0;

 private:
  mutable Mutex mutex_;
  std::unordered_map<ChunkId, Bytes> nodes_ GUARDED_BY(mutex_);
};

}  // namespace holdfast::tree
