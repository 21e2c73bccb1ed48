// SPDX-License-Identifier: Apache-2.0
#include "crypto/secret.h"

#include <openssl/crypto.h>

#include "base/check.h"

namespace holdfast::crypto {

void wipe(MutableByteView bytes) { OPENSSL_cleanse(bytes.data(), bytes.size()); }

bool equal_constant_time(ByteView a, ByteView b) {
  return a.size() == b.size() && (a.empty() || CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0);
}

Secret32 Secret32::from(ByteView bytes) {
  CHECK(bytes.size() == size_bytes);
  Secret32 secret;
  std::memcpy(secret.bytes_.data(), bytes.data(), size_bytes);
  return secret;
}

Secret32 Secret32::random(Rng& rng) {
  Secret32 secret;
  rng.fill(secret.bytes_);
  return secret;
}

SecretBytes SecretBytes::from(ByteView bytes) {
  SecretBytes secret(bytes.size());
  if (!bytes.empty()) std::memcpy(secret.bytes_.data(), bytes.data(), bytes.size());
  return secret;
}

}  // namespace holdfast::crypto
