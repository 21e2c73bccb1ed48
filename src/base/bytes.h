// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace holdfast {

using ByteView = std::span<const std::byte>;
using MutableByteView = std::span<std::byte>;

// Leaves elements uninitialised when a vector grows: buffers are written before they are read, and zeroing them
// first costs as much as hashing them.
template <class T>
struct UninitializedAllocator : std::allocator<T> {
  template <class U>
  struct rebind {
    using other = UninitializedAllocator<U>;
  };
  template <class U>
  void construct(U* place) noexcept {
    ::new (static_cast<void*>(place)) U;
  }
  template <class U, class... Args>
  void construct(U* place, Args&&... args) {
    ::new (static_cast<void*>(place)) U(std::forward<Args>(args)...);
  }
};

using Bytes = std::vector<std::byte, UninitializedAllocator<std::byte>>;

inline ByteView as_bytes(std::string_view text) {
  return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}
inline std::string_view as_text(ByteView bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}
// Ranges are copied whole, not element by element as a vector with an allocator of its own would.
inline void append(Bytes& out, ByteView bytes) {
  const size_t at = out.size();
  out.resize(at + bytes.size());
  if (!bytes.empty()) std::memcpy(out.data() + at, bytes.data(), bytes.size());
}
inline Bytes to_bytes(ByteView bytes) {
  Bytes copy;
  append(copy, bytes);
  return copy;
}
inline Bytes to_bytes(std::string_view text) { return to_bytes(as_bytes(text)); }
inline const uint8_t* as_u8(ByteView bytes) { return reinterpret_cast<const uint8_t*>(bytes.data()); }
inline uint8_t* as_u8(MutableByteView bytes) { return reinterpret_cast<uint8_t*>(bytes.data()); }

// Lexicographic by unsigned byte, a prefix first: the order of keys everywhere.
std::strong_ordering compare(ByteView a, ByteView b);
inline bool equal(ByteView a, ByteView b) {
  return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size()) == 0);
}

// A block whose start is aligned for O_DIRECT. Contents are uninitialised. Movable, not copyable.
class AlignedBuffer {
 public:
  static constexpr size_t alignment_bytes = 4096;
  AlignedBuffer() = default;
  explicit AlignedBuffer(size_t size_bytes);

  std::byte* data() { return data_.get(); }
  const std::byte* data() const { return data_.get(); }
  size_t size() const { return size_bytes_; }
  MutableByteView span() { return {data_.get(), size_bytes_}; }
  ByteView span() const { return {data_.get(), size_bytes_}; }

 private:
  struct Free {
    void operator()(std::byte* block) const;
  };
  std::unique_ptr<std::byte, Free> data_;
  size_t size_bytes_ = 0;
};

}  // namespace holdfast
