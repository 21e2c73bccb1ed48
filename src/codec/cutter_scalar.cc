// SPDX-License-Identifier: Apache-2.0
#include <string.h>

#include "codec/cutter.h"
#include "codec/cutter_kernels.h"

namespace holdfast::codec {

namespace {

uint32_t word(const uint8_t* at) {
  uint32_t value;
  memcpy(&value, at, sizeof value);
  return value;
}

}  // namespace

// The definition, and what machines without a kernel of their own run.
size_t find_minimum_scalar(const CutterKey& key, const uint8_t* windows, size_t count) {
  uint32_t least = UINT32_MAX;
  size_t place = 0;
  for (size_t at = 0; at < count; ++at) {
    const uint32_t one = key.a * (word(windows + at) ^ key.k1) + key.b * (word(windows + at + 4) ^ key.k2);
    if (one < least) {
      least = one;
      place = at;
    }
  }
  return place;
}

}  // namespace holdfast::codec
