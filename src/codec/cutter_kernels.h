// SPDX-License-Identifier: Apache-2.0
#pragma once

// Only headers without inline functions of weight: see CMakeLists.txt.
#include <stddef.h>
#include <stdint.h>

namespace holdfast::codec {

struct CutterKey;

// The index, below `count`, of the first least hash among the windows that begin at windows[0], windows[1], …
// Reads windows[0 .. count + 7). REQUIRES: count > 0
size_t find_minimum_scalar(const CutterKey& key, const uint8_t* windows, size_t count);
size_t find_minimum_vector128(const CutterKey& key, const uint8_t* windows, size_t count);
size_t find_minimum_sse41(const CutterKey& key, const uint8_t* windows, size_t count);
size_t find_minimum_avx2(const CutterKey& key, const uint8_t* windows, size_t count);
size_t find_minimum_avx512(const CutterKey& key, const uint8_t* windows, size_t count);

}  // namespace holdfast::codec
