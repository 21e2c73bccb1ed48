// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>

#include "base/bytes.h"
#include "base/hash_id.h"
#include "base/result.h"
#include "base/seams.h"
#include "crypto/secret.h"

namespace holdfast::crypto {

inline constexpr size_t signature_size_bytes = 64;
using Signature = std::array<std::byte, signature_size_bytes>;
using SigningPublicKey = HashId<struct SigningPublicKeyTag>;  // An Ed25519 public key; all zero means "none".

// An Ed25519 key pair. Immutable; any thread may sign.
class SigningKey {
 public:
  static SigningKey from_seed(const Secret32& seed);
  static SigningKey generate(Rng& rng) { return from_seed(Secret32::random(rng)); }
  SigningKey clone() const { return from_seed(seed_); }

  const Secret32& seed() const { return seed_; }
  const SigningPublicKey& public_key() const { return public_key_; }

  // Deterministic. `context` is a constant that names what is being said ("holdfast v1 log record"): a signature in one
  // context is none in another. What is signed is prefix || u64le size of context || context || message.
  Signature sign(std::string_view context, ByteView message) const;

 private:
  SigningKey(Secret32 seed, SigningPublicKey public_key) : seed_(std::move(seed)), public_key_(public_key) {}
  Secret32 seed_;
  SigningPublicKey public_key_;
};

// `corrupt` unless `signature` is by `key` over just this context and message. Refuses keys of small order and
// non-canonical signatures, so that nobody can make a second signature out of a first.
Status verify(const SigningPublicKey& key, std::string_view context, ByteView message, ByteView signature);

}  // namespace holdfast::crypto
