// SPDX-License-Identifier: Apache-2.0
#include "aws/crc_fold.h"

#include <immintrin.h>

// Sixteen bytes are a polynomial A * x^64 + B. Moved d bits on they are A * x^(64+d) + B * x^d, of which only the
// remainder matters; so both halves are multiplied by a remainder of 64 bits, which gives 128 bits to add to those that
// stand there. (A product without carries has its lowest power one bit lower than 128 bits have it, so that the
// multipliers are x^(63+d) and x^(d-1).) Four such lanes run side by side and are put into one at the end.
namespace holdfast::aws {

namespace {

__m128i load(const uint8_t* bytes) { return _mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes)); }

__m128i fold(__m128i lane, __m128i by, __m128i onto) {
  const __m128i first = _mm_clmulepi64_si128(lane, by, 0x00), last = _mm_clmulepi64_si128(lane, by, 0x11);
  return _mm_xor_si128(_mm_xor_si128(first, last), onto);
}

__m128i multipliers(uint64_t first, uint64_t last) {
  return _mm_set_epi64x(static_cast<long long>(last), static_cast<long long>(first));
}

}  // namespace

void fold_crc(const uint8_t* bytes, size_t size, uint64_t crc, const CrcFolds& folds, uint8_t* out) {
  const __m128i by_64 = multipliers(folds.first_by_64, folds.last_by_64);
  const __m128i by_16 = multipliers(folds.first_by_16, folds.last_by_16);
  __m128i lane0 = _mm_xor_si128(load(bytes), multipliers(crc, 0));
  __m128i lane1 = load(bytes + 16), lane2 = load(bytes + 32), lane3 = load(bytes + 48);
  for (size_t at = crc_fold_step_bytes; at < size; at += crc_fold_step_bytes) {
    lane0 = fold(lane0, by_64, load(bytes + at));
    lane1 = fold(lane1, by_64, load(bytes + at + 16));
    lane2 = fold(lane2, by_64, load(bytes + at + 32));
    lane3 = fold(lane3, by_64, load(bytes + at + 48));
  }
  const __m128i all = fold(fold(fold(lane0, by_16, lane1), by_16, lane2), by_16, lane3);
  _mm_storeu_si128(reinterpret_cast<__m128i*>(out), all);
}

}  // namespace holdfast::aws
