// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/bytes.h"
#include "base/hash_id.h"
#include "base/result.h"
#include "base/seams.h"
#include "crypto/secret.h"

// Sealing of single messages: to the holder of an X25519 private key, or under a shared secret. Both bind a context,
// commit to their key, use each key for one message only, and mix key, context and message into what they draw from
// `rng`, so that a generator that repeats itself (a cloned or rolled-back machine) gives nothing away.
namespace holdfast::crypto {

using PublicKey32 = HashId<struct PublicKey32Tag>;  // An X25519 public key; all zero means "none".

struct BoxKeyPair {
  Secret32 private_key;
  PublicKey32 public_key;
};
BoxKeyPair generate_box_keypair(Rng& rng);
PublicKey32 box_public_key(const Secret32& private_key);

// Both layouts add as much.
inline constexpr size_t box_overhead_bytes = 80;

// ephemeral public key 32 | commitment 32 | ciphertext | tag 16
// `invalid` if `recipient` is a point that contributes nothing (of small order).
Result<Bytes> seal_to(const PublicKey32& recipient, ByteView context, ByteView plain, Rng& rng);
// `wrong_key` if the commitment is not this key's for this context; `corrupt` if it is, but the rest is damaged, or if
// the ephemeral key is of small order or bytes are missing.
Result<SecretBytes> open_box(const Secret32& private_key, ByteView context, ByteView sealed);

// commitment 32 | salt 32 | ciphertext | tag 16, under a key derived from `key`, the salt and `context`.
Bytes seal_with(const Secret32& key, ByteView context, ByteView plain, Rng& rng);
// Errors as of open_box.
Result<SecretBytes> open_with(const Secret32& key, ByteView context, ByteView sealed);

}  // namespace holdfast::crypto
