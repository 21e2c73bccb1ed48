// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>

// CRCs by multiplying without carries, 64 bytes at a step. Nothing with inline functions may stand here.
namespace holdfast::aws {

inline constexpr size_t crc_fold_step_bytes = 64;

// By what the first and the last eight of sixteen bytes are multiplied to stand so many bytes further on: powers of x
// modulo the CRC's polynomial, whose lowest power stands in the highest bit.
struct CrcFolds {
  uint64_t first_by_64 = 0, last_by_64 = 0;
  uint64_t first_by_16 = 0, last_by_16 = 0;
};

// Writes 16 bytes that leave the same remainder as the `size` ones of `bytes`, to whose first `crc` is added.
// REQUIRES: a processor with PCLMULQDQ and SSE4.1; `size` is a multiple of crc_fold_step_bytes and not 0
void fold_crc(const uint8_t* bytes, size_t size, uint64_t crc, const CrcFolds& folds, uint8_t* out);

}  // namespace holdfast::aws
