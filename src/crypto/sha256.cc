// SPDX-License-Identifier: Apache-2.0
#include "crypto/sha256.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <memory>

#include "base/check.h"

namespace holdfast::crypto {

Hash32 sha256(std::span<const ByteView> parts) {
  const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(), &EVP_MD_CTX_free);
  CHECK(context != nullptr && EVP_DigestInit_ex(context.get(), EVP_sha256(), nullptr) == 1);
  for (const ByteView part : parts) CHECK(EVP_DigestUpdate(context.get(), part.data(), part.size()) == 1);
  Hash32 hash;
  CHECK(EVP_DigestFinal_ex(context.get(), as_u8(MutableByteView(hash)), nullptr) == 1);
  return hash;
}

Hash32 hmac_sha256(ByteView key, ByteView message) {
  Hash32 mac;
  // A null key pointer would mean "the key used last" to OpenSSL.
  const uint8_t none = 0;
  const void* const bytes = key.empty() ? static_cast<const void*>(&none) : key.data();
  CHECK(HMAC(EVP_sha256(), bytes, static_cast<int>(key.size()), as_u8(message), message.size(),
             as_u8(MutableByteView(mac)), nullptr) != nullptr);
  return mac;
}

}  // namespace holdfast::crypto
