// SPDX-License-Identifier: Apache-2.0
#include "source/filetree/scan_state.h"

#include <sys/stat.h>

#include <cstring>

#include "base/byte_io.h"
#include "base/check.h"

namespace holdfast::source {
namespace {

constexpr std::byte more_parts_follow{1};
constexpr std::byte last_part{2};

// Bits of the byte that leads each child.
constexpr uint8_t same_kind = 1;          // Mode, owner and link count are those of the child before.
constexpr uint8_t changed_is_modified = 2;
constexpr uint8_t is_racy = 4;
constexpr uint8_t is_sparse = 8;
constexpr uint8_t is_foreign = 16;
constexpr uint8_t has_attribute_bits = 32;
constexpr uint8_t all_bits = 63;

// Every field but the name at its longest.
constexpr size_t fields_size_bytes_max = 128;

// A part ends before a name that hashes below this share, so that its mean size lies between the bounds and an
// insertion moves one boundary at most.
constexpr uint64_t boundary_share = UINT64_MAX / 128;

bool is_boundary(std::string_view name) {
  uint64_t hash = 0xcbf29ce484222325;
  for (const char c : name) hash = (hash ^ static_cast<uint8_t>(c)) * 0x100000001b3;
  hash ^= hash >> 32;
  hash *= 0x9e3779b97f4a7c15;
  return hash < boundary_share;
}

// Writes without bounds checks: add() has made room.
struct RawWriter {
  std::byte* at;
  void u8(uint8_t value) { *at++ = static_cast<std::byte>(value); }
  void u32(uint32_t value) {
    std::memcpy(at, &value, sizeof value);
    at += sizeof value;
  }
  void varint(uint64_t value) {
    while (value >= 0x80) {
      u8(static_cast<uint8_t>(value | 0x80));
      value >>= 7;
    }
    u8(static_cast<uint8_t>(value));
  }
  // The distance of two unsigned numbers, modulo 2^64: small ones are short in either direction.
  void distance(uint64_t from, uint64_t to) {
    const auto delta = static_cast<int64_t>(to - from);
    varint((static_cast<uint64_t>(delta) << 1) ^ static_cast<uint64_t>(delta >> 63));
  }
  void distance(int64_t from, int64_t to) { distance(static_cast<uint64_t>(from), static_cast<uint64_t>(to)); }
  void text(std::string_view value) {
    varint(value.size());
    if (value.empty()) return;  // "/" has no name.
    std::memcpy(at, value.data(), value.size());
    at += value.size();
  }
};

bool equal_kind(const ChildState& a, const ChildState& b) {
  return a.mode == b.mode && a.user_id == b.user_id && a.group_id == b.group_id && a.link_count == b.link_count;
}

int64_t add_distance(int64_t from, int64_t delta) {
  return static_cast<int64_t>(static_cast<uint64_t>(from) + static_cast<uint64_t>(delta));
}

Error malformed() { return Error(ErrorCode::corrupt, "scan state of a directory is malformed"); }

// Fills `child` from what follows its leading byte; `child` holds the fields of the child before.
void read_fields(ByteReader& in, uint8_t bits, ChildState& child) {
  child.name = as_text(in.string());
  if (!(bits & same_kind)) {
    child.mode = static_cast<uint32_t>(in.varint());
    child.user_id = static_cast<uint32_t>(in.varint());
    child.group_id = static_cast<uint32_t>(in.varint());
    child.link_count = static_cast<uint32_t>(in.varint());
  }
  child.size_bytes = in.varint();
  child.modified.seconds = add_distance(child.modified.seconds, in.svarint());
  child.modified.nanoseconds = in.fixed<uint32_t>();
  child.changed = child.modified;
  if (!(bits & changed_is_modified)) {
    child.changed.seconds = add_distance(child.modified.seconds, in.svarint());
    child.changed.nanoseconds = in.fixed<uint32_t>();
  }
  child.inode += static_cast<uint64_t>(in.svarint());
  child.attribute_bits = (bits & has_attribute_bits) ? in.u8() : 0;
  child.racy = (bits & is_racy) != 0;
  child.sparse = (bits & is_sparse) != 0;
  child.foreign = (bits & is_foreign) != 0;
}

}  // namespace

bool ChildState::is_directory() const { return S_ISDIR(mode); }
bool ChildState::is_regular() const { return S_ISREG(mode); }

bool unchanged(const ChildState& before, const ChildState& now) {
  return !before.racy && equal_kind(before, now) && before.size_bytes == now.size_bytes &&
         before.modified == now.modified && before.changed == now.changed && before.inode == now.inode &&
         before.attribute_bits == now.attribute_bits;
}

bool is_last_part(ByteView part) { return !part.empty() && part.front() == last_part; }

Bytes state_key(ByteView directory_key) {
  Bytes key;
  key.reserve(directory_key.size() + 3);
  key.push_back(std::byte{1});
  key.insert(key.end(), directory_key.begin(), directory_key.end());
  key.insert(key.end(), 2, std::byte{0});
  return key;
}

void StateEncoder::begin_part(std::string_view first_name) {
  if (!parts_.empty()) {
    buffer_[parts_.back().begin] = more_parts_follow;
    parts_.back().end = size_;
  }
  parts_.push_back({std::string(first_name), size_, size_});
  buffer_[size_++] = last_part;
  previous_ = {};
}

void StateEncoder::begin() {
  size_ = 0;
  parts_.clear();
  if (buffer_.size() < fields_size_bytes_max) buffer_.resize(4096);
  begin_part({});
}

void StateEncoder::add(const ChildState& child) {
  const size_t room = child.name.size() + fields_size_bytes_max;
  if (buffer_.size() - size_ < room) buffer_.resize(buffer_.size() * 2 + room);
  const size_t part_size = size_ - parts_.back().begin;
  if (part_size >= part_size_bytes_min && (part_size >= part_size_bytes_max || is_boundary(child.name))) {
    begin_part(child.name);
  }
  uint8_t bits = 0;
  if (equal_kind(child, previous_)) bits |= same_kind;
  if (child.changed == child.modified) bits |= changed_is_modified;
  if (child.racy) bits |= is_racy;
  if (child.sparse) bits |= is_sparse;
  if (child.foreign) bits |= is_foreign;
  if (child.attribute_bits != 0) bits |= has_attribute_bits;
  RawWriter out{buffer_.data() + size_};
  out.u8(bits);
  out.text(child.name);
  if (!(bits & same_kind)) {
    out.varint(child.mode);
    out.varint(child.user_id);
    out.varint(child.group_id);
    out.varint(child.link_count);
  }
  out.varint(child.size_bytes);
  out.distance(previous_.modified.seconds, child.modified.seconds);
  out.u32(child.modified.nanoseconds);
  if (!(bits & changed_is_modified)) {
    out.distance(child.modified.seconds, child.changed.seconds);
    out.u32(child.changed.nanoseconds);
  }
  out.distance(previous_.inode, child.inode);
  if (bits & has_attribute_bits) out.u8(child.attribute_bits);
  size_ = static_cast<size_t>(out.at - buffer_.data());
  DCHECK(size_ <= buffer_.size());
  previous_ = child;
}

void StateEncoder::end() { parts_.back().end = size_; }

Result<std::optional<ChildState>> StateDecoder::next() {
  while (rest_.empty()) {
    if (part_index_ == parts_.size()) return std::optional<ChildState>();
    rest_ = parts_[part_index_++];
    if (rest_.empty() || (rest_.front() != last_part && rest_.front() != more_parts_follow)) return malformed();
    rest_ = rest_.subspan(1);
    previous_ = {};
  }
  ByteReader in(rest_);
  const uint8_t bits = in.u8();
  ChildState child = previous_;
  read_fields(in, bits, child);
  if (!in.ok() || (bits & ~all_bits) != 0) return malformed();
  rest_ = in.rest();
  previous_ = child;
  return std::optional<ChildState>(child);
}

}  // namespace holdfast::source
