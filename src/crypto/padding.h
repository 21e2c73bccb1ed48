// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace holdfast::crypto {

// The padded size that PADMÉ gives for `size_bytes`: at least as large, at most 12% larger (about 3% on average for
// megabytes), and one of so few values that it tells O(log log size) bits. REQUIRES: size_bytes <= 2^63
uint64_t padme(uint64_t size_bytes);

}  // namespace holdfast::crypto
