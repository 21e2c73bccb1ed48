// SPDX-License-Identifier: Apache-2.0
#include "tree/level_stack.h"

#include <string>

#include "base/check.h"

// How a tree keeps its shape (docs/format.md, "Where nodes end"). Each level is a sequence of entries cut greedily into
// nodes: after an entry whose hash says so, or before one that would not fit. Where a node starts, the rest follows
// from the entries alone; so a node of an earlier tree may be taken over whole wherever a node starts here too, if it
// also ends the same way: by hash ("sealed"), or by the entry that follows it, which must then be the same.
namespace holdfast::tree {
namespace {

// Never less than what the entry takes up in a node, whatever it shares with its neighbour: prefixes must not count,
// or an entry's fate would hang on the key before it.
constexpr uint64_t leaf_entry_overhead_bytes = 9;
constexpr uint64_t inner_entry_overhead_bytes = 48;

}  // namespace

LevelStack::LevelStack(NodeStore& nodes, const Config& config)
    : nodes_(nodes), boundary_(config, Boundary::Use::keys) {
  levels_.reserve(height_max + 1);  // Views into levels stay valid while levels are added.
  level_at(0);
}

LevelStack::Level& LevelStack::level_at(uint8_t level) {
  while (levels_.size() <= level) {
    levels_.emplace_back();
    format::begin_tree_node(levels_.back().node, static_cast<uint8_t>(levels_.size()));
  }
  return levels_[level];
}

Status LevelStack::append(ByteView key, ByteView value) {
  if (key.size() > key_size_bytes_max || value.size() > value_size_bytes_max)
    return Error(ErrorCode::invalid, "tree entry: key or value larger than 64 KiB");
  size_t shared = 0;
  if (has_last_key_) {
    shared = format::common_prefix(last_key_, key);
    const bool ascending = shared == last_key_.size() ? key.size() > shared
                                                      : shared < key.size() && key[shared] > last_key_[shared];
    if (!ascending) return Error(ErrorCode::invalid, "tree entry: keys are not in ascending order");
  }
  Level& leaf = levels_[0];
  const uint64_t weight = key.size() + value.size() + leaf_entry_overhead_bytes;
  if (boundary_.full(0, leaf.node_entry_count, leaf.weight, weight)) TRY_DO(end_node(0, false));
  format::append_tree_entry(leaf.node, key, leaf.node_entry_count == 0 ? 0 : shared, value);
  last_key_.resize(key.size());
  if (shared < key.size()) std::memcpy(last_key_.data() + shared, key.data() + shared, key.size() - shared);
  has_last_key_ = true;
  leaf.weight += weight;
  ++leaf.node_entry_count;
  ++leaf.entry_count;
  if (boundary_.ends_after(0, key, weight)) TRY_DO(end_node(0, true));
  return {};
}

bool LevelStack::aligned(uint8_t height) const {
  for (size_t level = 0; level < height && level < levels_.size(); ++level) {
    if (levels_[level].node_entry_count != 0) return false;
  }
  return true;
}

Status LevelStack::append_node(uint8_t height, ByteView last_key, const format::TreeChild& node) {
  DCHECK(aligned(height));
  last_key_.assign(last_key.begin(), last_key.end());
  has_last_key_ = true;
  return append_child(height, last_key, node, true);
}

Status LevelStack::append_child(uint8_t level, ByteView key, const format::TreeChild& child, bool reused) {
  if (level >= height_max) return Error(ErrorCode::invalid, "tree: too high");
  Level& inner = level_at(level);
  const uint64_t weight = key.size() + inner_entry_overhead_bytes;
  if (boundary_.full(level, inner.node_entry_count, inner.weight, weight)) TRY_DO(end_node(level, false));
  const size_t shared = inner.node_entry_count == 0 ? 0 : format::common_prefix(inner.last_key, key);
  format::append_tree_child(inner.node, key, shared, child);
  inner.last_key.assign(key.begin(), key.end());
  inner.weight += weight;
  ++inner.node_entry_count;
  inner.entry_count += child.entry_count;
  inner.last_child = child;
  inner.last_child_reused = reused;
  if (inner.node_entry_count >= Boundary::entry_count_min(level) && boundary_.ends_after(level, key, weight))
    TRY_DO(end_node(level, true));
  return {};
}

// Goes up one level a call, so at most height_max deep.
Status LevelStack::end_node(uint8_t level, bool by_hash) {
  Level& ended = levels_[level];
  const bool sealed = by_hash && (level == 0 || ended.last_child.sealed);
  const format::TreeChild node{TRY(nodes_.put(ended.node)), ended.entry_count, sealed};
  format::begin_tree_node(ended.node, static_cast<uint8_t>(level + 1));
  ended.weight = 0;
  ended.node_entry_count = 0;
  ended.entry_count = 0;
  ended.finished_any = true;
  return append_child(static_cast<uint8_t>(level + 1), level == 0 ? ByteView(last_key_) : ByteView(ended.last_key),
                      node, false);
}

Result<Root> LevelStack::finish() {
  for (uint8_t level = 0; level < static_cast<uint8_t>(levels_.size()); ++level) {
    const Level& open = levels_[level];
    const bool top = level + 1u == levels_.size() && !open.finished_any;
    if (level > 0 && top && open.node_entry_count == 1) {
      const Root root{open.last_child.node, level, open.last_child.entry_count};
      return open.last_child_reused ? without_single_children(root) : Result<Root>(root);
    }
    if (open.node_entry_count > 0) TRY_DO(end_node(level, false));
  }
  return Root{};
}

// The last node of a level may have one child. As the root it is superfluous; that happens when a node taken over
// whole turns out to be all there is.
Result<Root> LevelStack::without_single_children(Root root) {
  while (root.height > 1) {
    const Bytes node = TRY(nodes_.get(root.node));
    format::TreeNodeDecoder decoder;
    TRY_DO(decoder.open(node));
    if (decoder.height() != root.height || decoder.next() != format::NodeStep::entry)
      return Error(ErrorCode::corrupt, "tree node " + to_hex(root.node) + ": malformed");
    const format::TreeChild child = decoder.child();
    if (decoder.next() == format::NodeStep::entry) break;
    root = {child.node, static_cast<uint8_t>(root.height - 1), root.entry_count};
  }
  return root;
}

}  // namespace holdfast::tree
