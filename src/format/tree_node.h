// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "base/bytes.h"
#include "base/hash_id.h"
#include "base/result.h"

// The bytes of one tree node (docs/format.md, "Tree nodes"). A node is canonical: whatever decodes, encodes to the same
// bytes again. The tree room decides what goes into a node; this file knows only how it is written.
namespace holdfast::format {

inline constexpr uint8_t tree_node_kind = 1;  // First byte of every node of a tree.
inline constexpr uint8_t tree_height_max = 32;
inline constexpr size_t tree_key_size_bytes_max = 64 * 1024;
inline constexpr size_t tree_value_size_bytes_max = 64 * 1024;

// What an inner node knows of a node below it, besides that node's last key.
struct TreeChild {
  ChunkId node;
  uint64_t entry_count = 0;  // Entries in the whole subtree; at least 1.
  // Every node on the subtree's right edge was ended by the hash of its last key: whatever entries follow, the subtree
  // stays as it is.
  bool sealed = false;
  friend bool operator==(const TreeChild&, const TreeChild&) = default;
};

// Length of the longest common prefix.
size_t common_prefix(ByteView a, ByteView b);

// Writing: begin_tree_node(), then entries (height 1) or children (height 2 and up) in strictly ascending key order.
// `shared_bytes` is common_prefix() of `key` and the key before it in this node, 0 for the first.
void begin_tree_node(Bytes& node, uint8_t height);
void append_tree_entry(Bytes& node, ByteView key, size_t shared_bytes, ByteView value);
void append_tree_child(Bytes& node, ByteView key, size_t shared_bytes, const TreeChild& child);

enum class NodeStep : uint8_t { entry, end, corrupt };

// Reads a node from its first entry to its last without allocating, except for the current key. The node's bytes must
// outlive the decoder. Trusts nothing.
class TreeNodeDecoder {
 public:
  // Reads the header and stands before the first entry. `corrupt` if it is no tree node.
  Status open(ByteView node);
  // `corrupt` is also the answer to every later call.
  NodeStep next();

  uint8_t height() const { return height_; }  // 1: a leaf.
  ByteView key() const { return key_; }       // In an inner node the last key of the child.
  ByteView value() const { return value_; }   // REQUIRES: height() == 1
  const TreeChild& child() const { return child_; }  // REQUIRES: height() > 1

 private:
  NodeStep fail();
  bool first_ = true;
  uint8_t height_ = 0;
  ByteView rest_;
  Bytes key_;
  ByteView value_;
  TreeChild child_;
};

}  // namespace holdfast::format
