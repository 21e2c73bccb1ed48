// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "format/content.h"
#include "tree/node_store.h"

namespace holdfast::tree {

// Walks an extent tree as NodeWalker walks a tree of keys: the item at each position is the largest thing that starts
// there and was not entered yet. Nodes are checked wholly when entered: form, height and length.
class ExtentWalker {
 public:
  explicit ExtentWalker(NodeStore& nodes) : nodes_(&nodes) {}

  void open(const format::ContentTree& tree);  // The item is the root node.
  bool at_end() const { return state_ == State::end; }
  uint8_t height() const;             // 0: an extent; else a node of that height. REQUIRES: !at_end()
  uint64_t offset_bytes() const;      // Where the item begins. REQUIRES: !at_end()
  const format::Extent& extent() const { return top().decoder.extent(); }  // REQUIRES: height() == 0
  format::ExtentChild child() const;  // REQUIRES: height() > 0
  // The item becomes the first one inside the current node. REQUIRES: height() > 0
  Status enter();
  void skip();  // To the item after the current one.
  // To the extent that holds the byte at `offset_bytes`, or to the end. Going forward keeps the path.
  Status seek(uint64_t offset_bytes);

 private:
  struct Frame {
    ChunkId id;
    Bytes node;
    format::ExtentNodeDecoder decoder;
    uint64_t offset_bytes = 0;  // Where the current entry begins.
    bool loaded = false;
  };
  enum class State : uint8_t { end, root, inside };
  const Frame& top() const { return frames_[depth_ - 1]; }
  Frame& top() { return frames_[depth_ - 1]; }
  void restart();
  uint64_t end_bytes() const;  // Where the item ends.

  NodeStore* nodes_;
  format::ContentTree tree_;
  State state_ = State::end;
  size_t depth_ = 0;           // Frames in use.
  std::vector<Frame> frames_;  // Deeper ones are kept for their buffers and nodes.
};

}  // namespace holdfast::tree
