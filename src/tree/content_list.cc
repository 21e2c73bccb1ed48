// SPDX-License-Identifier: Apache-2.0
#include "tree/content_list.h"

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "base/check.h"
#include "tree/boundary.h"
#include "tree/extent_walker.h"

namespace holdfast::tree {

using format::Content;
using format::ContentInline;
using format::ContentPiece;
using format::ContentTree;
using format::Extent;
using format::ExtentChild;

namespace {

// The open node of each level of an extent tree in the making.
class ExtentLevels {
 public:
  ExtentLevels(NodeStore& nodes, const Config& config)
      : nodes_(nodes), boundary_(config, Boundary::Use::extents), levels_(1) {
    levels_.reserve(height_max + 1);  // References stay valid while levels are added.
    format::begin_extent_node(levels_[0].node, 1);
  }

  Status append(const Extent& extent) {
    encoded_.clear();
    ByteWriter out(encoded_);
    format::encode_extent(out, extent);
    return append_encoded(0, encoded_, extent.size_bytes());
  }

  Result<ContentTree> finish() {
    for (uint8_t level = 0; level < static_cast<uint8_t>(levels_.size()); ++level) {
      const Level& open = levels_[level];
      const bool top = level + 1u == levels_.size() && !open.finished_any;
      if (level > 0 && top && open.entry_count == 1)
        return ContentTree{open.last_child.node, level, open.last_child.size_bytes};
      if (open.entry_count > 0) TRY_DO(end_node(level));
    }
    return Error(ErrorCode::internal, "extent tree: nothing was appended");
  }

 private:
  struct Level {
    Bytes node;
    uint64_t entry_count = 0;
    uint64_t weight = 0;
    uint64_t size_bytes = 0;    // Of the content beneath.
    bool finished_any = false;  // A node of this level has gone up already.
    ExtentChild last_child;
  };

  // An extent is hashed as it is written, a child by its id.
  Status append_encoded(uint8_t level, ByteView encoded, uint64_t size_bytes) {
    Level& open = levels_[level];
    if (boundary_.full(level, open.entry_count, open.weight, encoded.size())) TRY_DO(end_node(level));
    open.node.insert(open.node.end(), encoded.begin(), encoded.end());
    open.weight += encoded.size();
    open.size_bytes += size_bytes;
    ++open.entry_count;
    const ByteView name = level == 0 ? encoded : encoded.last(ChunkId::size_bytes);
    if (open.entry_count >= Boundary::entry_count_min(level) && boundary_.ends_after(level, name, encoded.size()))
      TRY_DO(end_node(level));
    return {};
  }

  // Goes up one level a call, so at most height_max deep.
  Status end_node(uint8_t level) {
    Level& ended = levels_[level];
    const ExtentChild child{TRY(nodes_.put(ended.node)), ended.size_bytes};
    const auto above = static_cast<uint8_t>(level + 1);
    if (above >= height_max) return Error(ErrorCode::invalid, "extent tree: too high");
    format::begin_extent_node(ended.node, above);
    ended.entry_count = ended.weight = ended.size_bytes = 0;
    ended.finished_any = true;
    if (levels_.size() == above) {
      levels_.emplace_back();
      format::begin_extent_node(levels_.back().node, static_cast<uint8_t>(above + 1));
    }
    levels_[above].last_child = child;
    Bytes encoded;
    ByteWriter out(encoded);
    format::encode_extent_child(out, child);
    return append_encoded(above, encoded, child.size_bytes);
  }

  NodeStore& nodes_;
  Boundary boundary_;
  std::vector<Level> levels_;
  Bytes encoded_;
};

}  // namespace

struct ContentBuilder::Impl {
  Impl(NodeStore& node_store, const Config& tree_config) : nodes(node_store), config(tree_config) {}

  // The last extent may still grow, so it waits in `open`.
  Status settle(const Extent& extent) {
    if (!levels && settled.size() < format::inline_extents_max) {
      settled.push_back(extent);
      return {};
    }
    if (!levels) {
      levels.emplace(nodes, config);
      for (const Extent& earlier : settled) TRY_DO(levels->append(earlier));
      settled.clear();
    }
    return levels->append(extent);
  }

  NodeStore& nodes;
  Config config;
  std::optional<Extent> open;
  std::vector<Extent> settled;         // While the content may yet be inline.
  std::optional<ExtentLevels> levels;  // Once it is too long for that.
  uint64_t size_bytes = 0;
};

ContentBuilder::ContentBuilder(NodeStore& nodes, const Config& config)
    : impl_(std::make_unique<Impl>(nodes, config)) {}
ContentBuilder::~ContentBuilder() = default;
ContentBuilder::ContentBuilder(ContentBuilder&&) noexcept = default;

Status ContentBuilder::append(const Extent& extent) {
  if (!is_valid(extent)) return Error(ErrorCode::invalid, "content: an impossible extent");
  if (extent.size_bytes() > format::content_size_bytes_max - impl_->size_bytes)
    return Error(ErrorCode::invalid, "content: larger than 2^63 - 1 bytes");
  impl_->size_bytes += extent.size_bytes();
  std::optional<Extent>& open = impl_->open;
  if (open && can_merge(*open, extent)) {
    if (extent.kind == format::ExtentKind::chunk) {
      open->repeat += extent.repeat;
    } else {
      open->gap_size_bytes += extent.gap_size_bytes;
    }
    return {};
  }
  if (open) TRY_DO(impl_->settle(*open));
  open = extent;
  return {};
}

uint64_t ContentBuilder::size_bytes() const { return impl_->size_bytes; }

Result<Content> ContentBuilder::finish() {
  if (!impl_->open) return Content();
  TRY_DO(impl_->settle(*impl_->open));
  if (impl_->levels) return Content(TRY(impl_->levels->finish()));
  return Content(ContentInline{std::move(impl_->settled)});
}

struct ContentReader::Impl {
  Impl(NodeStore& nodes, const Content& content) : walker(nodes) {
    CHECK(!std::holds_alternative<ContentPiece>(content));
    if (const auto* list = std::get_if<ContentInline>(&content)) extents = list->extents;
    if (const auto* tree = std::get_if<ContentTree>(&content)) {
      walker.open(*tree);
      in_tree = true;
    }
  }
  ExtentWalker walker;
  bool in_tree = false;
  bool valid = false;
  std::vector<Extent> extents;  // Of an inline content; `at` and `offset_bytes` are the place within.
  size_t at = 0;
  uint64_t offset_bytes = 0;
};

ContentReader::ContentReader(NodeStore& nodes, const Content& content)
    : impl_(std::make_unique<Impl>(nodes, content)) {}
ContentReader::~ContentReader() = default;
ContentReader::ContentReader(ContentReader&&) noexcept = default;

Status ContentReader::seek(uint64_t offset_bytes) {
  Impl& state = *impl_;
  state.valid = false;
  if (state.in_tree) {
    TRY_DO(state.walker.seek(offset_bytes));
    state.valid = !state.walker.at_end();
    return {};
  }
  state.offset_bytes = 0;
  for (state.at = 0; state.at < state.extents.size(); ++state.at) {
    const uint64_t end_bytes = state.offset_bytes + state.extents[state.at].size_bytes();
    if (offset_bytes < end_bytes) break;
    state.offset_bytes = end_bytes;
  }
  state.valid = state.at < state.extents.size();
  return {};
}

bool ContentReader::valid() const { return impl_->valid; }

uint64_t ContentReader::offset_bytes() const {
  return impl_->in_tree ? impl_->walker.offset_bytes() : impl_->offset_bytes;
}

const Extent& ContentReader::extent() const {
  DCHECK(impl_->valid);
  return impl_->in_tree ? impl_->walker.extent() : impl_->extents[impl_->at];
}

Status ContentReader::next() {
  Impl& state = *impl_;
  DCHECK(state.valid);
  state.valid = false;
  if (state.in_tree) {
    state.walker.skip();
    while (!state.walker.at_end() && state.walker.height() > 0) TRY_DO(state.walker.enter());
    state.valid = !state.walker.at_end();
    return {};
  }
  state.offset_bytes += state.extents[state.at].size_bytes();
  state.valid = ++state.at < state.extents.size();
  return {};
}

namespace {

Status visit_extent(const Extent& extent, const ContentVisitor& visitor) {
  if (extent.kind != format::ExtentKind::chunk || !visitor.chunk) return {};
  return visitor.chunk(extent.chunk, extent.chunk_size_bytes);
}

Status visit_extent_tree(NodeStore& nodes, const ContentTree& tree, const ContentVisitor& visitor) {
  ExtentWalker walker(nodes);
  walker.open(tree);
  while (!walker.at_end()) {
    if (walker.height() == 0) {
      TRY_DO(visit_extent(walker.extent(), visitor));
    } else {
      const bool below = !visitor.node || TRY(visitor.node(walker.child().node, walker.height()));
      if (below && (walker.height() > 1 || visitor.chunk)) {
        TRY_DO(walker.enter());
        continue;
      }
    }
    walker.skip();
  }
  return {};
}

}  // namespace

Status visit_content(NodeStore& nodes, const Content& content, const ContentVisitor& visitor) {
  if (const auto* piece = std::get_if<ContentPiece>(&content))
    return visitor.piece ? visitor.piece(piece->piece, piece->size_bytes) : Status();
  if (const auto* tree = std::get_if<ContentTree>(&content)) return visit_extent_tree(nodes, *tree, visitor);
  if (const auto* list = std::get_if<ContentInline>(&content)) {
    for (const Extent& extent : list->extents) TRY_DO(visit_extent(extent, visitor));
  }
  return {};
}

Status for_each_chunk(NodeStore& nodes, const Content& content,
                      const std::function<Status(const ChunkId&, uint32_t size_bytes)>& visit) {
  return visit_content(nodes, content, {visit, nullptr, nullptr});
}

}  // namespace holdfast::tree
