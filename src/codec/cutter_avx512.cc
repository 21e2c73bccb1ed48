// SPDX-License-Identifier: Apache-2.0
#include <immintrin.h>

#include "codec/cutter_simd.h"

namespace holdfast::codec {

namespace {

struct Ops {
  using Vector = __m512i;
  static constexpr size_t lanes = 16;

  static Vector load(const uint8_t* at) { return _mm512_loadu_si512(at); }
  static Vector splat(uint32_t word) { return _mm512_set1_epi32(static_cast<int>(word)); }
  static Vector bit_xor(Vector x, Vector y) { return _mm512_xor_si512(x, y); }
  static Vector mul(Vector x, Vector y) { return _mm512_mullo_epi32(x, y); }
  static Vector add(Vector x, Vector y) { return _mm512_add_epi32(x, y); }
  static Vector min(Vector x, Vector y) { return _mm512_min_epu32(x, y); }
  static unsigned equal_mask(Vector x, Vector y) { return _mm512_cmpeq_epi32_mask(x, y); }
  static bool any_below(Vector x, Vector bound) { return _mm512_cmplt_epu32_mask(x, bound) != 0; }
  static uint32_t least_lane(Vector vector) { return least_of_lanes(vector); }
};

}  // namespace

size_t find_minimum_avx512(const CutterKey& key, const uint8_t* windows, size_t count) {
  KeyWords words;
  memcpy(&words, &key, sizeof words);
  return Search<Ops>(words).find(windows, count);
}

}  // namespace holdfast::codec
