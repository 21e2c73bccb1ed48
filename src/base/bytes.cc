// SPDX-License-Identifier: Apache-2.0
#include "base/bytes.h"

#include <algorithm>
#include <cstdlib>
#include <new>

namespace holdfast {

std::strong_ordering compare(ByteView a, ByteView b) {
  const size_t common = std::min(a.size(), b.size());
  if (common > 0) {
    const int order = std::memcmp(a.data(), b.data(), common);
    if (order != 0) return order <=> 0;
  }
  return a.size() <=> b.size();
}

AlignedBuffer::AlignedBuffer(size_t size_bytes) : size_bytes_(size_bytes) {
  const size_t rounded = (size_bytes + alignment_bytes - 1) / alignment_bytes * alignment_bytes;
  void* block = std::aligned_alloc(alignment_bytes, std::max(rounded, alignment_bytes));
  if (block == nullptr) throw std::bad_alloc();
  data_.reset(static_cast<std::byte*>(block));
}

void AlignedBuffer::Free::operator()(std::byte* block) const { std::free(block); }

}  // namespace holdfast
