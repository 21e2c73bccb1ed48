// SPDX-License-Identifier: Apache-2.0
#include "job/reachability.h"

#include "format/entry.h"
#include "tree/extent_walker.h"
#include "tree/node_walker.h"

namespace holdfast::job {

Reachability::Reachability(vault::Vault::Domain& domain, LiveSet& live, Leaves leaves, ReachabilityVisitor& visitor,
                           std::stop_token stop)
    : live_(live), leaves_(leaves), visitor_(visitor), stop_(std::move(stop)), nodes_(domain) {}

Status Reachability::check_stop() const {
  if (stop_.stop_requested()) return Error(ErrorCode::cancelled, "stopped");
  return {};
}

Status Reachability::broken(ReferenceKind kind, const ChunkId& id, ByteView key, Error error) {
  if (error.code() == ErrorCode::cancelled) return error;
  return visitor_.broken({.kind = kind, .id = id, .point = point_, .key = key}, std::move(error));
}

Status Reachability::walk(const vault::PointInfo& point) {
  point_ = point.id;
  TRY_DO(walk_tree(to_root(point.point.entries), TreeKind::entries));
  return walk_tree(to_root(point.point.state), TreeKind::state);
}

Result<bool> Reachability::mark_node(const ChunkId& node, ByteView key) {
  const auto place = live_.find_chunk(format::short_id(node));
  if (!place) {
    TRY_DO(broken(ReferenceKind::node, node, key,
                  Error(ErrorCode::corrupt, "tree node " + to_hex(node) + " is not in the index")));
    return false;
  }
  if (!live_.mark_chunk(*place)) return false;
  TRY_DO(visitor_.reached({.kind = ReferenceKind::node, .id = node, .point = point_, .key = key}, *place));
  return true;
}

Status Reachability::walk_tree(const tree::Root& root, TreeKind kind) {
  tree::NodeWalker walker(nodes_);
  walker.open(root);
  while (!walker.at_end()) {
    if (walker.height() == 0) {
      if (kind == TreeKind::entries) TRY_DO(walk_entry(walker.key(), walker.value()));
      walker.skip();
      continue;
    }
    TRY_DO(check_stop());
    const ChunkId node = walker.child().node;
    const Bytes key = walker.at_root() ? Bytes() : to_bytes(walker.key());
    const bool is_dull_leaf = kind == TreeKind::state && walker.height() == 1 && leaves_ == Leaves::needed;
    if (!TRY(mark_node(node, key)) || is_dull_leaf) {
      walker.skip();
      continue;
    }
    if (Status entered = walker.enter(); !entered) {
      TRY_DO(broken(ReferenceKind::node, node, key, std::move(entered.error())));
      walker.skip();
    }
  }
  return {};
}

Status Reachability::walk_entry(ByteView key, ByteView value) {
  visitor_.entry_visited();
  auto entry = format::decode_entry(value);
  if (!entry) return broken(ReferenceKind::node, {}, key, std::move(entry.error()));
  TRY_DO(walk_content(key, entry->content));
  return walk_content(key, entry->whole_attributes);
}

Status Reachability::walk_content(ByteView key, const format::Content& content) {
  if (const auto* piece = std::get_if<format::ContentPiece>(&content)) {
    const auto place = live_.find_piece(format::short_id(piece->piece));
    if (!place) {
      return broken(ReferenceKind::piece, piece->piece, key,
                    Error(ErrorCode::corrupt, "piece " + to_hex(piece->piece) + " is not in the index"));
    }
    if (!live_.mark_piece(*place)) return {};
    return visitor_.reached({.kind = ReferenceKind::piece, .id = piece->piece, .point = point_, .key = key},
                            live_.bundle_of(*place));
  }
  if (const auto* list = std::get_if<format::ContentInline>(&content)) {
    for (const format::Extent& extent : list->extents) {
      if (extent.kind == format::ExtentKind::chunk) TRY_DO(mark_chunk(extent.chunk, extent.chunk_size_bytes, key));
    }
    return {};
  }
  if (const auto* tree = std::get_if<format::ContentTree>(&content)) return walk_extents(*tree, key);
  return {};
}

Status Reachability::mark_chunk(const ChunkId& chunk, uint32_t size_bytes, ByteView key) {
  const auto place = live_.find_chunk(format::short_id(chunk));
  if (!place) {
    return broken(ReferenceKind::chunk, chunk, key,
                  Error(ErrorCode::corrupt, "chunk " + to_hex(chunk) + " is not in the index"));
  }
  if (live_.chunk(*place).plain_size_bytes != size_bytes) {
    return broken(ReferenceKind::chunk, chunk, key,
                  Error(ErrorCode::corrupt, "chunk " + to_hex(chunk) + " has another size than the entry says"));
  }
  if (!live_.mark_chunk(*place)) return {};
  return visitor_.reached({.kind = ReferenceKind::chunk, .id = chunk, .point = point_, .key = key}, *place);
}

Status Reachability::walk_extents(const format::ContentTree& content, ByteView key) {
  tree::ExtentWalker walker(nodes_);
  walker.open(content);
  while (!walker.at_end()) {
    if (walker.height() == 0) {
      const format::Extent& extent = walker.extent();
      if (extent.kind == format::ExtentKind::chunk) TRY_DO(mark_chunk(extent.chunk, extent.chunk_size_bytes, key));
      walker.skip();
      continue;
    }
    TRY_DO(check_stop());
    const ChunkId node = walker.child().node;
    if (!TRY(mark_node(node, key))) {
      walker.skip();
      continue;
    }
    if (Status entered = walker.enter(); !entered) {
      TRY_DO(broken(ReferenceKind::node, node, key, std::move(entered.error())));
      walker.skip();
    }
  }
  return {};
}

}  // namespace holdfast::job
