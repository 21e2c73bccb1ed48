// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstring>

#include "base/bytes.h"
#include "format/pack.h"

// A small table that says of most ids which are not in a large one that they are not, at the cost of one cache line: a
// Bloom filter in blocks of 256 bits, eight bits a key, one in each 32-bit word. The block is chosen by proportion from
// the leading bits of the id, so that sorted ids fill it front to back; the bits from its last four bytes.
// Ids are keyed hashes, so no hashing is needed here. Crafted ids crowd a block, which then lets everything pass: a
// look-up is slower then, never wrong.
namespace holdfast::vault {

class IndexFilter {
 public:
  static constexpr size_t block_size_bytes = 32;
  // 24 keys a block, 10.7 bits a key: of what is not there about one in eighty passes.
  static constexpr uint64_t keys_per_block = 24;
  static uint64_t size_bytes(uint64_t key_count) {
    return (key_count + keys_per_block - 1) / keys_per_block * block_size_bytes;
  }

  IndexFilter() = default;  // Lets everything pass.
  explicit IndexFilter(ByteView blocks) : blocks_(blocks) {}

  bool may_contain(const format::ShortId& id) const {
    if (blocks_.empty()) return true;
    std::array<uint32_t, 8> words;
    std::memcpy(words.data(), blocks_.data() + offset_of(id, blocks_.size()), block_size_bytes);
    const std::array<uint32_t, 8> wanted = bits_of(id);
    uint32_t missing = 0;
    for (size_t word = 0; word < 8; ++word) missing |= wanted[word] & ~words[word];
    return missing == 0;
  }

  // `blocks`: zeros at first, of size_bytes() of the number of keys.
  static void add(MutableByteView blocks, const format::ShortId& id) {
    std::byte* block = blocks.data() + offset_of(id, blocks.size());
    std::array<uint32_t, 8> words;
    std::memcpy(words.data(), block, block_size_bytes);
    const std::array<uint32_t, 8> wanted = bits_of(id);
    for (size_t word = 0; word < 8; ++word) words[word] |= wanted[word];
    std::memcpy(block, words.data(), block_size_bytes);
  }

 private:
  static size_t offset_of(const format::ShortId& id, size_t filter_size_bytes) {
    uint64_t leading;
    std::memcpy(&leading, id.data(), sizeof leading);
    const auto block_count = static_cast<unsigned __int128>(filter_size_bytes / block_size_bytes);
    return static_cast<size_t>((block_count * __builtin_bswap64(leading)) >> 64) * block_size_bytes;
  }
  static std::array<uint32_t, 8> bits_of(const format::ShortId& id) {
    // Odd numbers with well spread bits.
    constexpr std::array<uint32_t, 8> salts{0x9f767c45u, 0xc164d839u, 0xbde5c099u, 0xdbc8fbbdu,
                                            0xcb91ce37u, 0xb0c11fdfu, 0xf1446bebu, 0xd76d4331u};
    uint32_t last;
    std::memcpy(&last, id.data() + id.size() - sizeof last, sizeof last);
    std::array<uint32_t, 8> bits;
    for (size_t word = 0; word < 8; ++word) bits[word] = 1u << ((last * salts[word]) >> 27);
    return bits;
  }
  ByteView blocks_;
};

}  // namespace holdfast::vault
