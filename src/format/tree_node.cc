// SPDX-License-Identifier: Apache-2.0
#include "format/tree_node.h"

#include <algorithm>
#include <bit>

#include "base/byte_io.h"

namespace holdfast::format {
namespace {

constexpr size_t varint_size_bytes_max = 10;

std::byte* write_varint(std::byte* out, uint64_t value) {
  while (value >= 0x80) {
    *out++ = static_cast<std::byte>(value | 0x80);
    value >>= 7;
  }
  *out++ = static_cast<std::byte>(value);
  return out;
}

std::byte* write_raw(std::byte* out, ByteView bytes) {
  if (!bytes.empty()) std::memcpy(out, bytes.data(), bytes.size());
  return out + bytes.size();
}

// Most varints of a node fit one byte.
bool read_varint(ByteView& rest, uint64_t& value) {
  if (!rest.empty() && static_cast<uint8_t>(rest.front()) < 0x80) [[likely]] {
    value = static_cast<uint8_t>(rest.front());
    rest = rest.subspan(1);
    return true;
  }
  ByteReader reader(rest);
  value = reader.varint();
  rest = reader.rest();
  return reader.ok();
}

}  // namespace

size_t common_prefix(ByteView a, ByteView b) {
  const size_t size = std::min(a.size(), b.size());
  size_t at = 0;
  for (; at + sizeof(uint64_t) <= size; at += sizeof(uint64_t)) {
    uint64_t left, right;
    std::memcpy(&left, a.data() + at, sizeof left);
    std::memcpy(&right, b.data() + at, sizeof right);
    if (left != right) return at + static_cast<size_t>(std::countr_zero(left ^ right)) / 8;
  }
  while (at < size && a[at] == b[at]) ++at;
  return at;
}

void begin_tree_node(Bytes& node, uint8_t height) {
  node.clear();
  node.push_back(static_cast<std::byte>(tree_node_kind));
  node.push_back(static_cast<std::byte>(height));
}

void append_tree_entry(Bytes& node, ByteView key, size_t shared_bytes, ByteView value) {
  const ByteView suffix = key.subspan(shared_bytes);
  const size_t at = node.size();
  node.resize(at + 3 * varint_size_bytes_max + suffix.size() + value.size());
  std::byte* out = node.data() + at;
  out = write_varint(out, shared_bytes);
  out = write_varint(out, suffix.size());
  out = write_varint(out, value.size());
  out = write_raw(out, suffix);
  out = write_raw(out, value);
  node.resize(static_cast<size_t>(out - node.data()));
}

void append_tree_child(Bytes& node, ByteView key, size_t shared_bytes, const TreeChild& child) {
  const ByteView suffix = key.subspan(shared_bytes);
  const size_t at = node.size();
  node.resize(at + 3 * varint_size_bytes_max + suffix.size() + ChunkId::size_bytes);
  std::byte* out = node.data() + at;
  out = write_varint(out, shared_bytes);
  out = write_varint(out, suffix.size());
  out = write_varint(out, child.entry_count << 1 | (child.sealed ? 1 : 0));
  out = write_raw(out, suffix);
  out = write_raw(out, child.node.view());
  node.resize(static_cast<size_t>(out - node.data()));
}

Status TreeNodeDecoder::open(ByteView node) {
  first_ = true;
  key_.clear();
  ByteReader reader(node);
  const uint8_t kind = reader.u8();
  height_ = reader.u8();
  rest_ = reader.rest();
  if (reader.ok() && kind == tree_node_kind && height_ > 0 && height_ <= tree_height_max && !rest_.empty()) return {};
  fail();
  return Error(ErrorCode::corrupt, "tree node: not a tree node of a known form");
}

NodeStep TreeNodeDecoder::fail() {
  rest_ = {};
  height_ = 0;
  return NodeStep::corrupt;
}

NodeStep TreeNodeDecoder::next() {
  if (rest_.empty()) return height_ == 0 ? NodeStep::corrupt : NodeStep::end;
  uint64_t shared, suffix_size, third;
  if (!read_varint(rest_, shared) || !read_varint(rest_, suffix_size) || !read_varint(rest_, third)) return fail();
  if (shared > key_.size() || suffix_size > tree_key_size_bytes_max - shared || suffix_size > rest_.size())
    return fail();
  const ByteView suffix = rest_.first(static_cast<size_t>(suffix_size));
  rest_ = rest_.subspan(suffix.size());
  // Order and canonical form at once: the first byte that is not shared exists, and exceeds the one in its place.
  if (!first_) {
    if (suffix.empty()) return fail();
    if (shared < key_.size() && suffix.front() <= key_[static_cast<size_t>(shared)]) return fail();
  }
  first_ = false;
  key_.resize(static_cast<size_t>(shared + suffix_size));
  if (!suffix.empty()) std::memcpy(key_.data() + shared, suffix.data(), suffix.size());

  const size_t body_size = height_ == 1 ? static_cast<size_t>(third) : ChunkId::size_bytes;
  if ((height_ == 1 && third > tree_value_size_bytes_max) || body_size > rest_.size()) return fail();
  value_ = rest_.first(body_size);
  rest_ = rest_.subspan(body_size);
  if (height_ > 1) {
    child_ = {ChunkId::from(value_), third >> 1, (third & 1) != 0};
    if (child_.entry_count == 0 || child_.node.is_none()) return fail();
  }
  return NodeStep::entry;
}

}  // namespace holdfast::format
