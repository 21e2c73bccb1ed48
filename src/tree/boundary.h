// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>

#include "tree/tree.h"

namespace holdfast::tree {

// Decides after which entry a node ends (docs/format.md, "Where nodes end"). The decision looks at nothing but the
// entry and its level, so two trees that share a stretch of entries share the nodes inside it.
class Boundary {
 public:
  enum class Use : uint8_t { keys = 0, extents = 1 };  // Keeps the hashes of the two kinds of tree apart.
  Boundary(const Config& config, Use use);

  // `name` is what the entry is hashed by. Level 0 holds leaves.
  bool ends_after(uint8_t level, ByteView name, uint64_t weight) const;
  // Whether a node holding `entry_count` entries of `weight` together must end before one of `next_weight`.
  bool full(uint8_t level, uint64_t entry_count, uint64_t weight, uint64_t next_weight) const {
    return entry_count >= entry_count_min(level) && weight + next_weight > node_weight_max_;
  }
  // Inner nodes hold two entries at least (the last of a level excepted), else a tree of long keys would have no top.
  static uint64_t entry_count_min(uint8_t level) { return level == 0 ? 1 : 2; }

 private:
  uint64_t node_weight_mean_;
  uint64_t node_weight_max_;
  std::array<std::array<uint8_t, 16>, height_max + 1> level_keys_;
};

}  // namespace holdfast::tree
