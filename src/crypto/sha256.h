// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>

#include "crypto/hash.h"

// SHA-256 and its HMAC, for protocols of others that demand them; Holdfast itself hashes with BLAKE3.
namespace holdfast::crypto {

Hash32 sha256(std::span<const ByteView> parts);
inline Hash32 sha256(ByteView bytes) { return sha256(std::span(&bytes, 1)); }
Hash32 hmac_sha256(ByteView key, ByteView message);

}  // namespace holdfast::crypto
