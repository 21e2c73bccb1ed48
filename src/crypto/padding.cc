// SPDX-License-Identifier: Apache-2.0
#include "crypto/padding.h"

#include <bit>

#include "base/check.h"

namespace holdfast::crypto {

// Nikitin et al., "Reducing Metadata Leakage from Encrypted Files and Communication with PURBs", 4.3: a size is rounded
// up so that its mantissa has no more significant bits than its exponent has digits.
uint64_t padme(uint64_t size_bytes) {
  CHECK(size_bytes <= uint64_t{1} << 63);
  if (size_bytes < 2) return size_bytes;
  const auto exponent = static_cast<unsigned>(std::bit_width(size_bytes)) - 1;
  const auto mantissa_bits = static_cast<unsigned>(std::bit_width(exponent));
  if (exponent <= mantissa_bits) return size_bytes;
  const uint64_t mask = (uint64_t{1} << (exponent - mantissa_bits)) - 1;
  return (size_bytes + mask) & ~mask;
}

}  // namespace holdfast::crypto
