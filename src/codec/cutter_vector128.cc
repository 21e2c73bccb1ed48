// SPDX-License-Identifier: Apache-2.0
#include "codec/cutter_simd.h"

namespace holdfast::codec {

namespace {

struct Ops {
  using Vector = uint32_t __attribute__((vector_size(16)));
  static constexpr size_t lanes = 4;

  static Vector load(const uint8_t* at) {
    Vector vector;
    memcpy(&vector, at, sizeof vector);
    return vector;
  }
  static Vector splat(uint32_t word) { return Vector{word, word, word, word}; }
  static Vector bit_xor(Vector x, Vector y) { return x ^ y; }
  static Vector mul(Vector x, Vector y) { return x * y; }
  static Vector add(Vector x, Vector y) { return x + y; }
  static Vector min(Vector x, Vector y) { return x < y ? x : y; }
  template <class Mask>
  static uint64_t any(Mask mask) {
    uint64_t halves[2];
    memcpy(halves, &mask, sizeof halves);
    return halves[0] | halves[1];
  }
  static uint64_t equal_mask(Vector x, Vector y) { return any(x == y); }
  static bool any_below(Vector x, Vector bound) { return any(x < bound) != 0; }
  static uint32_t least_lane(Vector vector) { return least_of_lanes(vector); }
};

}  // namespace

size_t find_minimum_vector128(const CutterKey& key, const uint8_t* windows, size_t count) {
  KeyWords words;
  memcpy(&words, &key, sizeof words);
  return Search<Ops>(words).find(windows, count);
}

}  // namespace holdfast::codec
