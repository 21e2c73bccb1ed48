// SPDX-License-Identifier: Apache-2.0
#include "codec/zero_run.h"

namespace holdfast::codec {

namespace {

// A vector type of the compiler's, which every machine has some form of.
using Vector = uint64_t __attribute__((vector_size(16)));
constexpr size_t step_size_bytes = 8 * sizeof(Vector);

bool step_is_zero(const std::byte* at) {
  Vector words[8];
  std::memcpy(words, at, sizeof words);
  const Vector any = ((words[0] | words[1]) | (words[2] | words[3])) | ((words[4] | words[5]) | (words[6] | words[7]));
  return (any[0] | any[1]) == 0;
}

}  // namespace

size_t zero_prefix_size(ByteView data) {
  size_t at = 0;
  while (data.size() - at >= step_size_bytes && step_is_zero(data.data() + at)) at += step_size_bytes;
  while (at < data.size() && data[at] == std::byte{0}) ++at;
  return at;
}

}  // namespace holdfast::codec
