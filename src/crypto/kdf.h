// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "base/bytes.h"
#include "base/result.h"
#include "crypto/secret.h"

namespace holdfast::crypto {

// What guessing one passphrase costs. The default is RFC 9106's second recommendation.
struct KdfParameters {
  uint32_t memory_kib = 64 * 1024;
  uint32_t iterations = 3;
  uint32_t lanes = 4;
  friend bool operator==(const KdfParameters&, const KdfParameters&) = default;
};

// Stored parameters come from storage that may be hostile: beyond these bounds they are refused, unused.
inline constexpr uint32_t kdf_memory_kib_max = 4 * 1024 * 1024;
inline constexpr uint32_t kdf_iterations_max = 16;
inline constexpr uint32_t kdf_lanes_max = 16;
inline constexpr size_t kdf_salt_size_bytes_min = 16;
inline constexpr size_t kdf_salt_size_bytes_max = 64;

// `invalid` outside the bounds; memory must be at least 8 KiB a lane.
Status check_kdf_parameters(const KdfParameters& parameters);

// `secret` and `associated` are Argon2's optional inputs: a key kept elsewhere, and what the result is bound to.
struct KdfInput {
  ByteView passphrase;
  ByteView salt;
  ByteView secret;
  ByteView associated;
};

// Argon2id, version 1.3. Takes memory_kib of memory and as many threads as there are lanes, or cores if fewer.
// `invalid` before anything is allocated if a bound is exceeded, `unsupported` if the memory cannot be had.
Result<Secret32> stretch_passphrase(const KdfInput& input, const KdfParameters& parameters);

// Called with the working memory of each later derivation before it is touched, so that whoever may talk to the system
// can ask it for large pages (a fifth of the time goes into small ones). Null takes it away. Any thread.
using MemoryAdvice = void (*)(MutableByteView memory);
void advise_kdf_memory_with(MemoryAdvice advice);

}  // namespace holdfast::crypto
