// SPDX-License-Identifier: Apache-2.0
#include "codec/cutter.h"

#include <algorithm>

#include "base/check.h"
#include "codec/cutter_kernels.h"
#include "crypto/hash.h"

namespace holdfast::codec {

namespace {

constexpr size_t window_size_bytes = 8;

using FindMinimum = size_t (*)(const CutterKey&, const uint8_t*, size_t);

FindMinimum function_of(Kernel kernel) {
#ifdef HOLDFAST_X86_KERNELS
  switch (kernel) {
    case Kernel::sse41: return find_minimum_sse41;
    case Kernel::avx2: return find_minimum_avx2;
    case Kernel::avx512: return find_minimum_avx512;
    default: break;
  }
#endif
  if (kernel == Kernel::vector128) return find_minimum_vector128;
  CHECK(kernel == Kernel::scalar);
  return find_minimum_scalar;
}

}  // namespace

CutterKey CutterKey::derive(const crypto::Secret32& secret) {
  std::array<uint32_t, 4> words;
  const std::array<ByteView, 1> parts{secret.view()};
  crypto::derive_bytes("holdfast v1 cutter key", parts, std::as_writable_bytes(std::span(words)));
  // Odd factors make both products one-to-one in their word.
  return {words[0] | 1, words[1], words[2] | 1, words[3]};
}

std::string_view to_string(Kernel kernel) {
  switch (kernel) {
    case Kernel::scalar: return "scalar";
    case Kernel::vector128: return "vector128";
    case Kernel::sse41: return "sse4.1";
    case Kernel::avx2: return "avx2";
    case Kernel::avx512: return "avx512";
  }
  return "unknown";
}

bool kernel_available(Kernel kernel) {
#ifdef HOLDFAST_X86_KERNELS
  switch (kernel) {
    case Kernel::sse41: return __builtin_cpu_supports("sse4.1") != 0;
    case Kernel::avx2: return __builtin_cpu_supports("avx2") != 0;
    case Kernel::avx512: return __builtin_cpu_supports("avx512f") != 0;
    default: break;
  }
#endif
  return kernel == Kernel::scalar || kernel == Kernel::vector128;
}

Kernel best_kernel() {
  static const Kernel best = [] {
    // AVX-512 gains nothing where it was measured (loads and multipliers are the limit) and slows older machines down.
    for (const Kernel kernel : {Kernel::avx2, Kernel::avx512, Kernel::sse41, Kernel::vector128})
      if (kernel_available(kernel)) return kernel;
    return Kernel::scalar;
  }();
  return best;
}

Cutter::Cutter(const CutterKey& key, CutterSizes sizes, Kernel kernel)
    : key_(key), sizes_(sizes), find_minimum_(function_of(kernel)) {
  CHECK(kernel_available(kernel));
  CHECK(sizes.min_bytes >= window_size_bytes && sizes.min_bytes <= sizes.max_bytes);
  CHECK(key.a % 2 == 1 && key.b % 2 == 1);
}

size_t Cutter::next_cut(ByteView data) const {
  if (data.size() <= sizes_.min_bytes) return data.size();
  const size_t end = std::min(data.size(), sizes_.max_bytes);
  const uint8_t* const first_window = as_u8(data) + (sizes_.min_bytes - window_size_bytes);
  return sizes_.min_bytes + find_minimum_(key_, first_window, end - sizes_.min_bytes + 1);
}

}  // namespace holdfast::codec
