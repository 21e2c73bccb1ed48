// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <utility>

#include "base/bytes.h"
#include "base/seams.h"

namespace holdfast::crypto {

// Overwrites memory in a way that no optimiser removes.
void wipe(MutableByteView bytes);

// Whether two strings of bytes are equal, in time that depends on their sizes only.
bool equal_constant_time(ByteView a, ByteView b);

// 32 bytes that nobody may see: a key, a seed, a shared secret. Wiped on destruction and when moved from; copied only
// by clone(). A default-constructed one is all zero and stands for "none yet".
class Secret32 {
 public:
  static constexpr size_t size_bytes = 32;

  Secret32() = default;
  ~Secret32() { wipe(bytes_); }
  Secret32(Secret32&& other) noexcept : bytes_(other.bytes_) { wipe(other.bytes_); }
  Secret32& operator=(Secret32&& other) noexcept {
    if (this != &other) {
      bytes_ = other.bytes_;
      wipe(other.bytes_);
    }
    return *this;
  }

  static Secret32 from(ByteView bytes);  // REQUIRES: bytes.size() == 32
  static Secret32 random(Rng& rng);
  Secret32 clone() const { return from(bytes_); }

  std::span<const std::byte, size_bytes> view() const { return bytes_; }
  std::span<std::byte, size_bytes> mutable_view() { return bytes_; }
  bool is_none() const { return *this == Secret32{}; }
  friend bool operator==(const Secret32& a, const Secret32& b) {
    return equal_constant_time(a.bytes_, b.bytes_);
  }

 private:
  std::array<std::byte, size_bytes> bytes_{};
};

// Secret bytes of any fixed size. Wiped on destruction; copied only by clone(). Does not grow, so that no copy is left
// behind by a reallocation.
class SecretBytes {
 public:
  SecretBytes() = default;
  explicit SecretBytes(size_t size_bytes) : bytes_(size_bytes) { wipe(bytes_); }
  ~SecretBytes() { wipe(bytes_); }
  SecretBytes(SecretBytes&& other) noexcept : bytes_(std::move(other.bytes_)) {}
  SecretBytes& operator=(SecretBytes&& other) noexcept {
    bytes_.swap(other.bytes_);  // What was ours is wiped when `other` ends.
    return *this;
  }

  static SecretBytes from(ByteView bytes);
  SecretBytes clone() const { return from(bytes_); }

  ByteView view() const { return bytes_; }
  MutableByteView mutable_view() { return bytes_; }
  size_t size() const { return bytes_.size(); }
  friend bool operator==(const SecretBytes& a, const SecretBytes& b) {
    return equal_constant_time(a.bytes_, b.bytes_);
  }

 private:
  Bytes bytes_;
};

}  // namespace holdfast::crypto
