// SPDX-License-Identifier: Apache-2.0
#include <immintrin.h>

#include "codec/cutter_simd.h"

namespace holdfast::codec {

namespace {

struct Ops {
  using Vector = __m256i;
  static constexpr size_t lanes = 8;

  static Vector load(const uint8_t* at) { return _mm256_loadu_si256(reinterpret_cast<const Vector*>(at)); }
  static Vector splat(uint32_t word) { return _mm256_set1_epi32(static_cast<int>(word)); }
  static Vector bit_xor(Vector x, Vector y) { return _mm256_xor_si256(x, y); }
  static Vector mul(Vector x, Vector y) { return _mm256_mullo_epi32(x, y); }
  static Vector add(Vector x, Vector y) { return _mm256_add_epi32(x, y); }
  static Vector min(Vector x, Vector y) { return _mm256_min_epu32(x, y); }
  static int equal_mask(Vector x, Vector y) { return _mm256_movemask_epi8(_mm256_cmpeq_epi32(x, y)); }
  static bool any_below(Vector x, Vector bound) { return equal_mask(min(x, bound), bound) != -1; }
  static uint32_t least_lane(Vector vector) { return least_of_lanes(vector); }
};

}  // namespace

size_t find_minimum_avx2(const CutterKey& key, const uint8_t* windows, size_t count) {
  KeyWords words;
  memcpy(&words, &key, sizeof words);
  return Search<Ops>(words).find(windows, count);
}

}  // namespace holdfast::codec
