// SPDX-License-Identifier: Apache-2.0
#include "format/content.h"

#include <string>

#include "base/check.h"

namespace holdfast::format {
namespace {

enum ContentTag : uint8_t { tag_none = 0, tag_piece = 1, tag_inline = 2, tag_tree = 3 };
// A chunk that stands once, by far the commonest, does without a repeat count.
enum ExtentTag : uint8_t { tag_chunk = 0, tag_hole = 1, tag_zeros = 2, tag_repeated_chunk = 3 };

Error malformed(std::string_view what) { return Error(ErrorCode::corrupt, std::string(what) + ": malformed"); }

// False if the extent is malformed.
bool read_extent(ByteReader& in, Extent& extent) {
  const uint8_t tag = in.u8();
  const uint64_t size_bytes = in.varint();
  if (tag == tag_hole || tag == tag_zeros) {
    extent = tag == tag_hole ? Extent::hole(size_bytes) : Extent::zeros(size_bytes);
  } else if (tag == tag_chunk || tag == tag_repeated_chunk) {
    if (size_bytes > UINT32_MAX) return false;
    const uint64_t repeat = tag == tag_chunk ? 1 : in.varint();
    if (tag == tag_repeated_chunk && repeat < 2) return false;
    const ByteView id = in.raw(ChunkId::size_bytes);
    if (!in.ok()) return false;
    extent = Extent::of_chunk(ChunkId::from(id), static_cast<uint32_t>(size_bytes), repeat);
  } else {
    return false;
  }
  return in.ok() && is_valid(extent);
}

// Neighbours that can be merged would be a second form of the same content; a sum past the bound would wrap.
bool follows(const Extent* before, const Extent& extent, uint64_t& size_bytes) {
  if (before != nullptr && can_merge(*before, extent)) return false;
  if (extent.size_bytes() > content_size_bytes_max - size_bytes) return false;
  size_bytes += extent.size_bytes();
  return true;
}

Result<Content> decode_inline(ByteReader& in) {
  const uint64_t count = in.varint();
  if (count < 1 || count > inline_extents_max) return malformed("content");
  ContentInline content;
  content.extents.reserve(static_cast<size_t>(count));
  uint64_t size_bytes = 0;
  for (uint64_t read = 0; read < count; ++read) {
    Extent extent;
    if (!read_extent(in, extent)) return malformed("content");
    const Extent* before = content.extents.empty() ? nullptr : &content.extents.back();
    if (!follows(before, extent, size_bytes)) return malformed("content");
    content.extents.push_back(extent);
  }
  return Content(std::move(content));
}

}  // namespace

bool is_valid(const Extent& extent) {
  if (extent.kind == ExtentKind::chunk) {
    return extent.chunk_size_bytes > 0 && extent.repeat > 0 && extent.gap_size_bytes == 0 &&
           !extent.chunk.is_none() && extent.repeat <= content_size_bytes_max / extent.chunk_size_bytes;
  }
  return (extent.kind == ExtentKind::hole || extent.kind == ExtentKind::zeros) && extent.gap_size_bytes > 0 &&
         extent.gap_size_bytes <= content_size_bytes_max && extent.chunk_size_bytes == 0 && extent.repeat == 1 &&
         extent.chunk.is_none();
}

bool can_merge(const Extent& first, const Extent& second) {
  if (first.kind != second.kind) return false;
  return first.kind != ExtentKind::chunk ||
         (first.chunk == second.chunk && first.chunk_size_bytes == second.chunk_size_bytes);
}

void encode_extent(ByteWriter& out, const Extent& extent) {
  DCHECK(is_valid(extent));
  if (extent.kind != ExtentKind::chunk) {
    out.u8(extent.kind == ExtentKind::hole ? tag_hole : tag_zeros);
    out.varint(extent.gap_size_bytes);
    return;
  }
  out.u8(extent.repeat == 1 ? tag_chunk : tag_repeated_chunk);
  out.varint(extent.chunk_size_bytes);
  if (extent.repeat > 1) out.varint(extent.repeat);
  out.raw(extent.chunk.view());
}

void encode_content(ByteWriter& out, const Content& content) {
  if (const auto* piece = std::get_if<ContentPiece>(&content)) {
    out.u8(tag_piece);
    out.varint(piece->size_bytes);
    out.raw(piece->piece.view());
  } else if (const auto* list = std::get_if<ContentInline>(&content)) {
    out.u8(tag_inline);
    out.varint(list->extents.size());
    for (const Extent& extent : list->extents) encode_extent(out, extent);
  } else if (const auto* tree = std::get_if<ContentTree>(&content)) {
    out.u8(tag_tree);
    out.u8(tree->height);
    out.varint(tree->size_bytes);
    out.raw(tree->root.view());
  } else {
    out.u8(tag_none);
  }
}

Result<Content> decode_content(ByteReader& in) {
  const uint8_t tag = in.u8();
  if (!in.ok()) return malformed("content");
  if (tag == tag_none) return Content();
  if (tag == tag_inline) return decode_inline(in);
  if (tag != tag_piece && tag != tag_tree) return malformed("content");

  const uint8_t height = tag == tag_tree ? in.u8() : uint8_t{1};
  const uint64_t size_bytes = in.varint();
  const ByteView id_bytes = in.raw(ChunkId::size_bytes);
  if (!in.ok() || size_bytes == 0) return malformed("content");
  const ChunkId id = ChunkId::from(id_bytes);
  if (id.is_none()) return malformed("content");
  if (tag == tag_piece) {
    if (size_bytes > UINT32_MAX) return malformed("content");
    return Content(ContentPiece{id, static_cast<uint32_t>(size_bytes)});
  }
  if (height == 0 || height > extent_tree_height_max || size_bytes > content_size_bytes_max)
    return malformed("content");
  return Content(ContentTree{id, height, size_bytes});
}

uint64_t content_size_bytes(const Content& content) {
  if (const auto* piece = std::get_if<ContentPiece>(&content)) return piece->size_bytes;
  if (const auto* tree = std::get_if<ContentTree>(&content)) return tree->size_bytes;
  uint64_t size_bytes = 0;
  if (const auto* list = std::get_if<ContentInline>(&content)) {
    for (const Extent& extent : list->extents) size_bytes += extent.size_bytes();
  }
  return size_bytes;
}

void begin_extent_node(Bytes& node, uint8_t height) {
  node.clear();
  node.push_back(static_cast<std::byte>(extent_node_kind));
  node.push_back(static_cast<std::byte>(height));
}

void encode_extent_child(ByteWriter& out, const ExtentChild& child) {
  out.varint(child.size_bytes);
  out.raw(child.node.view());
}

Status ExtentNodeDecoder::open(ByteView node) {
  first_ = true;
  size_bytes_ = 0;
  in_ = ByteReader(node);
  const uint8_t kind = in_.u8();
  height_ = in_.u8();
  if (in_.ok() && kind == extent_node_kind && height_ > 0 && height_ <= extent_tree_height_max && in_.remaining() > 0)
    return {};
  height_ = 0;
  in_ = ByteReader(ByteView());
  return Error(ErrorCode::corrupt, "extent node: not an extent node of a known form");
}

ExtentNodeDecoder::Step ExtentNodeDecoder::fail() {
  in_ = ByteReader(ByteView());
  height_ = 0;
  return Step::corrupt;
}

ExtentNodeDecoder::Step ExtentNodeDecoder::next() {
  if (in_.remaining() == 0) return height_ == 0 ? Step::corrupt : Step::end;
  if (height_ == 1) {
    Extent extent;
    if (!read_extent(in_, extent) || !follows(first_ ? nullptr : &extent_, extent, size_bytes_)) return fail();
    extent_ = extent;
  } else {
    child_.size_bytes = in_.varint();
    const ByteView id = in_.raw(ChunkId::size_bytes);
    if (!in_.ok() || child_.size_bytes == 0 || child_.size_bytes > content_size_bytes_max - size_bytes_)
      return fail();
    child_.node = ChunkId::from(id);
    if (child_.node.is_none()) return fail();
    size_bytes_ += child_.size_bytes;
  }
  first_ = false;
  return Step::entry;
}

}  // namespace holdfast::format
