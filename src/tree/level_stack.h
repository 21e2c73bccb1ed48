// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <vector>

#include "format/tree_node.h"
#include "tree/boundary.h"
#include "tree/tree.h"

namespace holdfast::tree {

// The open node of each level of a tree in the making. Builder and Editor feed it entries and, where nothing is open
// below, whole nodes of earlier trees.
class LevelStack {
 public:
  LevelStack(NodeStore& nodes, const Config& config);

  // `invalid` if the key does not sort after everything before, or a bound is exceeded.
  Status append(ByteView key, ByteView value);
  // True if no entry is open below a node of `height`, so that one may be appended whole.
  bool aligned(uint8_t height) const;
  // Appends a finished node and all beneath it. REQUIRES: aligned(height), `last_key` sorts after everything before,
  // and the node is sealed or what followed it in its own tree will follow here.
  Status append_node(uint8_t height, ByteView last_key, const format::TreeChild& node);
  Result<Root> finish();

  bool empty() const { return !has_last_key_; }
  ByteView last_key() const { return last_key_; }  // REQUIRES: !empty()

 private:
  struct Level {
    Bytes node;
    Bytes last_key;
    uint64_t weight = 0;
    uint64_t node_entry_count = 0;  // In the open node itself.
    uint64_t entry_count = 0;       // In everything beneath it.
    bool finished_any = false;      // A node of this level has gone up already.
    bool last_child_reused = false;
    format::TreeChild last_child;
  };
  Status append_child(uint8_t level, ByteView key, const format::TreeChild& child, bool reused);
  Status end_node(uint8_t level, bool by_hash);
  Level& level_at(uint8_t level);
  Result<Root> without_single_children(Root root);

  NodeStore& nodes_;
  Boundary boundary_;
  std::vector<Level> levels_;
  Bytes last_key_;
  bool has_last_key_ = false;
};

}  // namespace holdfast::tree
