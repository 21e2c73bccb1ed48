// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string_view>

#include "base/bytes.h"
#include "crypto/secret.h"

// Content-defined cutting, "mincdc8-32" (docs/format.md, cutting). Each place p in the data has a hash of the eight
// bytes before it,
//   h(p) = a * (u32le[p-8] ^ k1) + b * (u32le[p-4] ^ k2)  mod 2^32,   a and b odd,
// and a chunk ends at the place between its smallest and its largest size whose hash is least; the earliest of equal
// ones. So a place that wins once wins again wherever its surroundings recur, and every chunk keeps within its bounds
// without forced cuts. Cuts depend on the key and on bytes near the cut; nothing else.
namespace holdfast::codec {

struct CutterKey {
  uint32_t a, k1, b, k2;
  // From a domain's cutter key.
  static CutterKey derive(const crypto::Secret32& secret);
};

struct CutterSizes {
  size_t min_bytes;
  size_t mean_bytes;
  size_t max_bytes;
  // Half and one and a half of the mean, which is what chunks then have on average. REQUIRES: mean_bytes >= 64
  static constexpr CutterSizes around(size_t mean_bytes) {
    return {mean_bytes / 2, mean_bytes, mean_bytes + mean_bytes / 2};
  }
};

// vector128 uses the compiler's own vectors: NEON on ARM, SSE2 on the oldest x86-64.
enum class Kernel : uint8_t { scalar, vector128, sse41, avx2, avx512 };
inline constexpr Kernel all_kernels[] = {Kernel::scalar, Kernel::vector128, Kernel::sse41, Kernel::avx2,
                                         Kernel::avx512};
std::string_view to_string(Kernel kernel);
// Whether it was built and this machine runs it. The first two always are.
bool kernel_available(Kernel kernel);
// The fastest available.
Kernel best_kernel();

// Finds cuts. Immutable: any number of threads may share one.
class Cutter {
 public:
  // REQUIRES: kernel_available(kernel)
  Cutter(const CutterKey& key, CutterSizes sizes, Kernel kernel = best_kernel());

  const CutterSizes& sizes() const { return sizes_; }
  // The size of the first chunk of `data`, which holds at least sizes().max_bytes, or all that is left of the stream.
  // The whole of it if that is no more than min_bytes; else min_bytes <= size <= max_bytes.
  size_t next_cut(ByteView data) const;

 private:
  using FindMinimum = size_t (*)(const CutterKey&, const uint8_t*, size_t);
  CutterKey key_;
  CutterSizes sizes_;
  FindMinimum find_minimum_;
};

}  // namespace holdfast::codec
