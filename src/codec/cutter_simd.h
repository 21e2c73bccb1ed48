// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string.h>

#include "codec/cutter_kernels.h"

// The search that all vector kernels share; each includes it with operations of its own, so everything here has
// internal linkage. Two passes, since keeping indexes beside minima would double the work of the first: the first
// finds the least hash and the block where it appears first, the second finds its place in that block.
//
// `Ops` has: Vector of `lanes` 32-bit words, load (unaligned), splat, bit_xor, mul, add, min (unsigned), any_below,
// least_lane, and equal_mask, which is 0 where no lane is equal.
namespace holdfast::codec {
namespace {

// Stands for CutterKey, whose header is too heavy to be included by a kernel.
struct KeyWords {
  uint32_t a, k1, b, k2;
};

template <class Ops>
struct Search {
  using Vector = typename Ops::Vector;
  // Four loads at consecutive bytes cover every window of a group: lane j of load k is the window at byte 4j + k.
  static constexpr size_t group = 4 * Ops::lanes;
  static constexpr size_t block = 2048;
  static_assert(block % group == 0);

  Vector a, k1, b, k2;
  KeyWords key;

  explicit Search(const KeyWords& words)
      : a(Ops::splat(words.a)),
        k1(Ops::splat(words.k1)),
        b(Ops::splat(words.b)),
        k2(Ops::splat(words.k2)),
        key(words) {}

  static uint32_t word(const uint8_t* at) {
    uint32_t value;
    memcpy(&value, at, sizeof value);
    return value;
  }
  uint32_t hash_one(const uint8_t* window) const {
    return key.a * (word(window) ^ key.k1) + key.b * (word(window + 4) ^ key.k2);
  }
  Vector hash_lanes(const uint8_t* window) const {
    return Ops::add(Ops::mul(Ops::bit_xor(Ops::load(window), k1), a),
                    Ops::mul(Ops::bit_xor(Ops::load(window + 4), k2), b));
  }

  // The least hash of `count` windows, a multiple of the group, lane by lane.
  Vector minimum_of(const uint8_t* windows, size_t count) const {
    Vector low0 = hash_lanes(windows), low1 = hash_lanes(windows + 1);
    Vector low2 = hash_lanes(windows + 2), low3 = hash_lanes(windows + 3);
    for (size_t at = group; at < count; at += group) {
      low0 = Ops::min(low0, hash_lanes(windows + at));
      low1 = Ops::min(low1, hash_lanes(windows + at + 1));
      low2 = Ops::min(low2, hash_lanes(windows + at + 2));
      low3 = Ops::min(low3, hash_lanes(windows + at + 3));
    }
    return Ops::min(Ops::min(low0, low1), Ops::min(low2, low3));
  }

  // The first window of `count` whose hash is `least`. REQUIRES: there is one
  size_t place_of(const uint8_t* windows, size_t count, uint32_t least) const {
    const Vector wanted = Ops::splat(least);
    size_t at = 0;
    for (; at + group <= count; at += group) {
      const auto found =
          Ops::equal_mask(hash_lanes(windows + at), wanted) | Ops::equal_mask(hash_lanes(windows + at + 1), wanted) |
          Ops::equal_mask(hash_lanes(windows + at + 2), wanted) | Ops::equal_mask(hash_lanes(windows + at + 3), wanted);
      if (found != 0) break;
    }
    while (hash_one(windows + at) != least) ++at;
    return at;
  }

  size_t find(const uint8_t* windows, size_t count) const {
    uint32_t least = hash_one(windows);
    Vector bound = Ops::splat(least);
    size_t least_block = 0;
    size_t least_size = 1;
    size_t at = 0;
    while (count - at >= group) {
      const size_t size = count - at < block ? (count - at) / group * group : block;
      const Vector low = minimum_of(windows + at, size);
      if (Ops::any_below(low, bound)) [[unlikely]] {
        least = Ops::least_lane(low);
        bound = Ops::splat(least);
        least_block = at;
        least_size = size;
      }
      at += size;
    }
    for (; at < count; ++at) {
      const uint32_t one = hash_one(windows + at);
      if (one >= least) continue;
      least = one;
      least_block = at;
      least_size = 1;
    }
    return least_block + place_of(windows + least_block, least_size, least);
  }
};

template <class Vector>
uint32_t least_of_lanes(Vector vector) {
  uint32_t lanes[sizeof(Vector) / sizeof(uint32_t)];
  memcpy(lanes, &vector, sizeof lanes);
  uint32_t least = lanes[0];
  for (const uint32_t lane : lanes) least = lane < least ? lane : least;
  return least;
}

}  // namespace
}  // namespace holdfast::codec
