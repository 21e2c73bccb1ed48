// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstring>

#include "base/check.h"
#include "crypto/hash.h"
#include "vault/vault.h"

// For tests and benchmarks only: segments of any size that no backup wrote, stored as a session stores them.
namespace holdfast::vault {

// Uniform as keyed hashes are; different for every number. The odd ones are pieces, the even ones chunks.
inline format::ShortId synthetic_id(uint64_t number) {
  const auto mix = [](uint64_t word) {  // SplitMix64
    word = (word ^ (word >> 30)) * 0xbf58476d1ce4e5b9u;
    word = (word ^ (word >> 27)) * 0x94d049bb133111ebu;
    return word ^ (word >> 31);
  };
  const std::array<uint64_t, 2> words{mix((2 * number + 1) * 0x9e3779b97f4a7c15u), mix(number ^ 0x5851f42d4c957f2du)};
  format::ShortId id;
  std::memcpy(id.data(), words.data(), sizeof words);
  return id;
}
inline format::ShortId synthetic_chunk(uint64_t number) { return synthetic_id(2 * number); }
inline format::ShortId synthetic_piece(uint64_t number) { return synthetic_id(2 * number + 1); }

// `count` chunks and as many pieces, numbered from `first`, in packs of 512.
inline format::SegmentContents synthetic_segment(uint64_t first, uint32_t count, uint64_t order) {
  constexpr uint32_t records_per_pack = 512;
  constexpr uint32_t record_size_bytes = 60'000;
  format::SegmentContents contents;
  contents.order = order;
  for (uint32_t place = 0; place < count; ++place) {
    if (place % records_per_pack == 0) {
      format::PackInfo& pack = contents.packs.emplace_back();
      const uint64_t number = first + place;
      std::memcpy(pack.id.value.data(), &number, sizeof number);
      pack.kind = 1;
      pack.epoch = 1;
      pack.size_bytes = 32u << 20;
    }
    contents.chunks.push_back({.id = synthetic_chunk(first + place),
                               .pack = static_cast<uint32_t>(contents.packs.size() - 1),
                               .offset_bytes = 176 + place % records_per_pack * record_size_bytes,
                               .size_bytes = record_size_bytes,
                               .plain_size_bytes = static_cast<uint32_t>(2 * record_size_bytes + (first + place) % 1000)});
    contents.pieces.push_back({.id = synthetic_piece(first + place), .bundle = place});
  }
  return contents;
}

// Yields the segment's key.
inline std::string store_segment(Vault& vault, Vault::Domain& domain, format::SegmentContents contents) {
  const Bytes plain = format::encode_segment(std::move(contents));
  const auto object = seal_segment(vault, domain.keys(), plain);
  CHECK(object.has_value());
  const std::array<ByteView, 1> parts{ByteView(*object)};
  std::string key =
      segment_key(domain.id(), vault.keyring().self().id, ObjectId::from(crypto::hash(*object)));
  CHECK(vault.store().create(key, parts));
  return key;
}

}  // namespace holdfast::vault
