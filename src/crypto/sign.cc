// SPDX-License-Identifier: Apache-2.0
#include "crypto/sign.h"

#include <sodium/crypto_sign_ed25519.h>

#include "base/byte_io.h"
#include "base/check.h"

namespace holdfast::crypto {

namespace {

static_assert(crypto_sign_ed25519_BYTES == signature_size_bytes);

Bytes framed(std::string_view context, ByteView message) {
  constexpr std::string_view prefix = "holdfast v1 signature";
  Bytes bytes;
  bytes.reserve(prefix.size() + sizeof(uint64_t) + context.size() + message.size());
  ByteWriter writer(bytes);
  writer.raw(as_bytes(prefix));
  writer.fixed<uint64_t>(context.size());
  writer.raw(as_bytes(context));
  writer.raw(message);
  return bytes;
}

}  // namespace

SigningKey SigningKey::from_seed(const Secret32& seed) {
  SigningPublicKey public_key;
  SecretBytes expanded(crypto_sign_ed25519_SECRETKEYBYTES);
  CHECK(crypto_sign_ed25519_seed_keypair(as_u8(MutableByteView(public_key.value)),
                                         as_u8(expanded.mutable_view()), as_u8(seed.view())) == 0);
  return SigningKey(seed.clone(), public_key);
}

Signature SigningKey::sign(std::string_view context, ByteView message) const {
  const Bytes bytes = framed(context, message);
  // libsodium's form of a secret key: the seed, then the public key.
  SecretBytes expanded(crypto_sign_ed25519_SECRETKEYBYTES);
  const MutableByteView halves = expanded.mutable_view();
  std::memcpy(halves.data(), seed_.view().data(), Secret32::size_bytes);
  std::memcpy(halves.data() + Secret32::size_bytes, public_key_.value.data(), SigningPublicKey::size_bytes);
  Signature signature;
  CHECK(crypto_sign_ed25519_detached(as_u8(MutableByteView(signature)), nullptr, as_u8(bytes), bytes.size(),
                                     as_u8(expanded.view())) == 0);
  return signature;
}

Status verify(const SigningPublicKey& key, std::string_view context, ByteView message, ByteView signature) {
  if (signature.size() != signature_size_bytes) return Error(ErrorCode::corrupt, "a signature has 64 bytes");
  const Bytes bytes = framed(context, message);
  if (crypto_sign_ed25519_verify_detached(as_u8(signature), as_u8(bytes), bytes.size(), as_u8(key.view())) != 0)
    return Error(ErrorCode::corrupt, "the signature does not fit the message");
  return {};
}

}  // namespace holdfast::crypto
