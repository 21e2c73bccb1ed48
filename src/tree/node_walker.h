// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <vector>

#include "format/tree_node.h"
#include "tree/tree.h"

namespace holdfast::tree {

// Walks a tree in key order over items: at each position the item is the largest thing that starts there and was not
// entered yet, a whole node or a single entry. So a caller sees a subtree before paying for it.
//
// A node is checked wholly when it is entered (form, height, key bounds, entry count), so that a tree from untrusted
// storage can neither loop nor be disordered: heights fall strictly, and keys only rise.
class NodeWalker {
 public:
  explicit NodeWalker(NodeStore& nodes) : nodes_(&nodes) {}

  void open(const Root& root);  // The item is the root node; at_end() if the tree is empty.
  void restart();               // Back to the root node, keeping loaded nodes.
  bool at_end() const { return state_ == State::end; }
  bool at_root() const { return state_ == State::root; }
  // 0: an entry; else a node of that height. REQUIRES: !at_end()
  uint8_t height() const;
  ByteView key() const { return top().decoder.key(); }      // A node's last key. REQUIRES: inside
  ByteView value() const { return top().decoder.value(); }  // REQUIRES: height() == 0
  const format::TreeChild& child() const;                   // REQUIRES: height() > 0
  // The item becomes the first one inside the current node. REQUIRES: height() > 0
  Status enter();
  // To the item after the current one, past everything in it.
  void skip();
  struct After {
    Bytes key;  // Last key of the item after the current one.
    bool last;  // Nothing comes after that one.
  };
  // Nothing if the current item is the last. REQUIRES: inside
  std::optional<After> after() const;
  // To the first entry not below `key`, or to the end. Entering only what it must; going forward keeps the path.
  Status seek(ByteView key);

 private:
  struct Frame {
    ChunkId id;
    Bytes node;
    format::TreeNodeDecoder decoder;
    Bytes low;  // Every key of the current item sorts after this, if there is one.
    bool has_low = false;
    bool loaded = false;
  };
  enum class State : uint8_t { end, root, inside };
  const Frame& top() const { return frames_[depth_ - 1]; }
  Frame& top() { return frames_[depth_ - 1]; }
  static bool step(Frame& frame);

  NodeStore* nodes_;
  Root root_;
  format::TreeChild root_child_;
  State state_ = State::end;
  size_t depth_ = 0;           // Frames in use.
  std::vector<Frame> frames_;  // Deeper ones are kept for their buffers and nodes.
};

}  // namespace holdfast::tree
