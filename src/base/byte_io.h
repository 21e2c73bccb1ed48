// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <bit>
#include <concepts>
#include <cstring>
#include <string_view>
#include <type_traits>

#include "base/bytes.h"
#include "base/result.h"

namespace holdfast {

static_assert(std::endian::native == std::endian::little, "formats are little-endian; big-endian machines need swaps");

// Appends little-endian integers, LEB128 varints and byte strings to a buffer that it borrows.
class ByteWriter {
 public:
  explicit ByteWriter(Bytes& out) : out_(&out) {}

  template <std::unsigned_integral T>
  void fixed(T value) {
    const size_t at = out_->size();
    out_->resize(at + sizeof value);
    std::memcpy(out_->data() + at, &value, sizeof value);
  }
  void u8(uint8_t value) { out_->push_back(static_cast<std::byte>(value)); }
  void varint(uint64_t value) {
    while (value >= 0x80) {
      u8(static_cast<uint8_t>(value | 0x80));
      value >>= 7;
    }
    u8(static_cast<uint8_t>(value));
  }
  // Zigzag: small magnitudes of either sign are short.
  void svarint(int64_t value) {
    varint((static_cast<uint64_t>(value) << 1) ^ static_cast<uint64_t>(value >> 63));
  }
  void raw(ByteView bytes) { append(*out_, bytes); }
  // Length (varint), then the bytes.
  void string(ByteView bytes) {
    varint(bytes.size());
    raw(bytes);
  }
  void string(std::string_view text) { string(as_bytes(text)); }
  size_t size() const { return out_->size(); }

 private:
  Bytes* out_;
};

// Reads what ByteWriter wrote. After the first failure every read yields zero or an empty view and ok() is false, so a
// decoder may read a whole record and ask once. Never reads beyond its view; views returned point into it.
class ByteReader {
 public:
  explicit ByteReader(ByteView bytes) : rest_(bytes) {}

  template <std::unsigned_integral T>
  T fixed() {
    T value{};
    if (rest_.size() < sizeof value) return fail<T>();
    std::memcpy(&value, rest_.data(), sizeof value);
    rest_ = rest_.subspan(sizeof value);
    return value;
  }
  uint8_t u8() { return fixed<uint8_t>(); }
  // Refuses more than ten bytes, bits beyond 64 and padded (non-minimal) forms, so that every value has one encoding.
  uint64_t varint() {
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      if (rest_.empty()) return fail<uint64_t>();
      const auto b = static_cast<uint64_t>(rest_.front());
      rest_ = rest_.subspan(1);
      if (shift == 63 && b > 1) return fail<uint64_t>();
      value |= (b & 0x7f) << shift;
      if (b < 0x80) return (b == 0 && shift > 0) ? fail<uint64_t>() : value;
    }
    return fail<uint64_t>();
  }
  int64_t svarint() {
    const uint64_t value = varint();
    return static_cast<int64_t>((value >> 1) ^ (~(value & 1) + 1));
  }
  ByteView raw(uint64_t size_bytes) {
    if (rest_.size() < size_bytes) return fail<ByteView>();
    const ByteView bytes = rest_.first(static_cast<size_t>(size_bytes));
    rest_ = rest_.subspan(static_cast<size_t>(size_bytes));
    return bytes;
  }
  ByteView string() { return raw(varint()); }

  bool ok() const { return ok_; }
  bool at_end() const { return ok_ && rest_.empty(); }
  size_t remaining() const { return rest_.size(); }
  ByteView rest() const { return rest_; }
  // `corrupt` naming `what` unless everything was read and nothing is left over.
  Status finish(std::string_view what) const {
    if (at_end()) return {};
    return Error(ErrorCode::corrupt, std::string(what) + (ok_ ? ": bytes left over" : ": truncated or malformed"));
  }

 private:
  template <class T>
  T fail() {
    ok_ = false;
    rest_ = {};
    return T{};
  }
  ByteView rest_;
  bool ok_ = true;
};

}  // namespace holdfast
