// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <list>
#include <unordered_map>

#include "tree/node_store.h"

namespace holdfast::job {

// Keeps the nodes read last, for walks that come back to them. Reading only; one thread at a time.
class NodeCache : public tree::NodeStore {
 public:
  explicit NodeCache(tree::NodeStore& inner) : inner_(inner) {}

  Result<ChunkId> put(ByteView node) override { return inner_.put(node); }
  Result<Bytes> get(const ChunkId& id) override {
    const auto known = places_.find(id);
    if (known != places_.end()) {
      recent_.splice(recent_.begin(), recent_, known->second);
      return to_bytes(known->second->second);
    }
    Bytes node = TRY(inner_.get(id));
    recent_.emplace_front(id, to_bytes(node));
    places_[id] = recent_.begin();
    if (recent_.size() > node_count_max) {
      places_.erase(recent_.back().first);
      recent_.pop_back();
    }
    return node;
  }

 private:
  // About 4 MiB.
  static constexpr size_t node_count_max = 96;
  tree::NodeStore& inner_;
  std::list<std::pair<ChunkId, Bytes>> recent_;
  std::unordered_map<ChunkId, std::list<std::pair<ChunkId, Bytes>>::iterator> places_;
};

}  // namespace holdfast::job
