// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "base/bytes.h"
#include "base/hash_id.h"
#include "base/result.h"
#include "format/tree_node.h"
#include "tree/node_store.h"

// An ordered map from byte keys to byte values, kept as a content-defined Merkle search tree ("prolly tree",
// docs/format.md, "Trees"). The tree's shape is a function of its entries alone: equal maps have equal roots, whatever
// the history. A node ends after an entry whose keyed key hash falls below a threshold proportional to the entry's
// size, so nodes have a mean size in bytes; a node that would grow past the bound ends anyway. All functions are
// thread-compatible: one object, one thread; different objects over one NodeStore may run at once.
//
// Errors, where nothing else is said: those of the NodeStore, and `corrupt` for a node that is malformed or does not
// fit the place it was found in. Nodes may come from hostile storage: nothing loops, recurses or grows without bound.
namespace holdfast::tree {

// Equal maps have equal roots only under equal configurations. Sizes are measured before prefix compression, so nodes
// come out somewhat smaller.
struct Config {
  std::array<std::byte, 16> boundary_key{};  // SipHash key, from the domain's cutter key.
  uint32_t node_size_bytes_mean = 48 * 1024;
  // A leaf of one entry, or an inner node of two, may exceed it where keys or values are that large.
  uint32_t node_size_bytes_max = 256 * 1024;
};

inline constexpr size_t key_size_bytes_max = format::tree_key_size_bytes_max;
inline constexpr size_t value_size_bytes_max = format::tree_value_size_bytes_max;
inline constexpr uint8_t height_max = format::tree_height_max;

// Names a whole tree. An empty tree has no node: its id is none and its height 0.
struct Root {
  ChunkId node;
  uint8_t height = 0;        // 1: the root is a leaf.
  uint64_t entry_count = 0;
  friend bool operator==(const Root&, const Root&) = default;
};

// Views are valid until the cursor or iterator they came from moves.
struct EntryView {
  ByteView key;
  ByteView value;
};

// Makes a tree from entries in strictly ascending key order. Holds one open node a level. After an error it is spent.
class Builder {
 public:
  Builder(NodeStore& nodes, const Config& config);
  ~Builder();
  Builder(Builder&&) noexcept;
  // `invalid` if `key` does not sort after the one before or a size bound is exceeded. The first key may be empty.
  Status append(ByteView key, ByteView value);
  // Appends every entry of `subtree`, built under the same configuration, whose keys must all sort after what is there
  // (else `invalid`), reusing its nodes where the boundaries allow: O(nodes on the edges), not O(entries). This is how
  // workers' key ranges are merged.
  Status append_tree(const Root& subtree);
  // After this the builder is spent.
  Result<Root> finish();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Walks a tree in key order. Holds one node a level.
class Cursor {
 public:
  Cursor(NodeStore& nodes, const Root& root);
  ~Cursor();
  Cursor(Cursor&&) noexcept;
  // To the first entry whose key is not below `key`; an empty key seeks to the start. Nodes on the way that are held
  // already are not fetched again, so a series of ascending seeks costs what the nodes between them cost.
  Status seek(ByteView key);
  bool valid() const;       // False past the end, before the first seek and after an error.
  EntryView entry() const;  // REQUIRES: valid()
  Status next();            // REQUIRES: valid()

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// The value of `key`, or nothing.
Result<std::optional<Bytes>> look_up(NodeStore& nodes, const Root& root, ByteView key);

// Calls `visit` for each entry with from <= key < to (an empty `to`: to the end). An error from `visit` ends it.
Status for_range(NodeStore& nodes, const Root& root, ByteView from, ByteView to,
                 const std::function<Status(const EntryView&)>& visit);

// One difference: `before` is absent for an added entry, `after` for a removed one.
struct Difference {
  ByteView key;
  std::optional<ByteView> before;
  std::optional<ByteView> after;
};
// Visits the differences of two trees in key order, skipping equal subtrees: O(differences * log n) nodes.
Status diff(NodeStore& nodes, const Root& before, const Root& after,
            const std::function<Status(const Difference&)>& visit);

// Visits every node id of a tree once, parents first; `descend` says whether to go below a node (a marker that has
// seen a node already says no). Fetches inner nodes only.
Status for_each_node(NodeStore& nodes, const Root& root,
                     const std::function<Result<bool>(const ChunkId&, uint8_t height)>& descend);

// The same, and fetches also the leaves for which `descend` said yes, to visit their entries.
Status for_each_node_and_entry(NodeStore& nodes, const Root& root,
                               const std::function<Result<bool>(const ChunkId&, uint8_t height)>& descend,
                               const std::function<Status(const EntryView&)>& visit);

// Rewrites a tree by a stream of changes in strictly ascending key order, touching O(changes * log n) nodes; the result
// equals a tree built from scratch. Feed changes with put/remove/remove_range, then finish(). `base` must have been
// built under the same configuration. Holds one open and one old node a level. After an error it is spent.
class Editor {
 public:
  Editor(NodeStore& nodes, const Config& config, const Root& base);
  ~Editor();
  Editor(Editor&&) noexcept;
  // Each is `invalid` if it does not come after the change before it.
  Status put(ByteView key, ByteView value);  // Adds or replaces.
  Status remove(ByteView key);               // Removing what is not there is no error.
  // from <= key < to (an empty `to`: to the end); the next change must be at or after `to`. Fetches nothing that lies
  // wholly inside the range.
  Status remove_range(ByteView from, ByteView to);
  Result<Root> finish();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace holdfast::tree
