// SPDX-License-Identifier: Apache-2.0
#include "crypto/box.h"

#include <sodium/crypto_scalarmult_curve25519.h>

#include "base/check.h"
#include "crypto/aead.h"
#include "crypto/hash.h"

namespace holdfast::crypto {

namespace {

// A key made for one message needs no nonce of its own.
constexpr std::array<std::byte, aead_nonce_size_bytes> only_nonce{};

constexpr size_t field_size_bytes = 32;
static_assert(box_overhead_bytes == 2 * field_size_bytes + aead_tag_size_bytes);

struct Sealed {
  ByteView first;
  ByteView second;
  ByteView ciphertext;
};

Result<Sealed> split(ByteView sealed) {
  if (sealed.size() < box_overhead_bytes) return Error(ErrorCode::corrupt, "sealed message is truncated");
  return Sealed{sealed.first(field_size_bytes), sealed.subspan(field_size_bytes, field_size_bytes),
                sealed.subspan(2 * field_size_bytes)};
}

Bytes join(ByteView first, ByteView second, const Secret32& key, ByteView context, ByteView plain) {
  Bytes out(box_overhead_bytes + plain.size());
  std::memcpy(out.data(), first.data(), field_size_bytes);
  std::memcpy(out.data() + field_size_bytes, second.data(), field_size_bytes);
  Aead(Suite::aes256gcm, key)
      .seal(only_nonce, context, plain, MutableByteView(out).subspan(2 * field_size_bytes));
  return out;
}

Result<SecretBytes> open_committed(const CommittedKey& committed, ByteView commitment, ByteView context,
                                   ByteView ciphertext) {
  if (!equal_constant_time(committed.commitment, commitment))
    return Error(ErrorCode::wrong_key, "sealed message was made for another key or purpose");
  SecretBytes plain(ciphertext.size() - aead_tag_size_bytes);
  TRY_DO(Aead(Suite::aes256gcm, committed.key).open(only_nonce, context, ciphertext, plain.mutable_view()));
  return plain;
}

// Nothing if the point contributes nothing to the result, which everybody could then foresee.
bool multiply(const Secret32& scalar, ByteView point, Secret32& product) {
  return crypto_scalarmult_curve25519(as_u8(MutableByteView(product.mutable_view())), as_u8(scalar.view()),
                                      as_u8(point)) == 0;
}

CommittedKey box_key(ByteView ephemeral, ByteView recipient, const Secret32& shared, ByteView context) {
  const std::array<ByteView, 4> parts{ephemeral, recipient, shared.view(), context};
  return derive_committed_key("holdfast v1 box", parts);
}

CommittedKey message_key(const Secret32& key, ByteView salt, ByteView context) {
  const std::array<ByteView, 3> parts{key.view(), salt, context};
  return derive_committed_key("holdfast v1 sealed message", parts);
}

}  // namespace

PublicKey32 box_public_key(const Secret32& private_key) {
  PublicKey32 public_key;
  CHECK(crypto_scalarmult_curve25519_base(as_u8(MutableByteView(public_key.value)), as_u8(private_key.view())) == 0);
  return public_key;
}

BoxKeyPair generate_box_keypair(Rng& rng) {
  Secret32 private_key = Secret32::random(rng);
  const PublicKey32 public_key = box_public_key(private_key);
  return {std::move(private_key), public_key};
}

Result<Bytes> seal_to(const PublicKey32& recipient, ByteView context, ByteView plain, Rng& rng) {
  const Secret32 drawn = Secret32::random(rng);
  const std::array<ByteView, 4> parts{drawn.view(), recipient.view(), context, plain};
  const Secret32 ephemeral_private = derive_key("holdfast v1 box ephemeral key", parts);
  const PublicKey32 ephemeral = box_public_key(ephemeral_private);
  Secret32 shared;
  if (!multiply(ephemeral_private, recipient.view(), shared))
    return Error(ErrorCode::invalid, "the recipient's public key is of small order");
  const CommittedKey committed = box_key(ephemeral.view(), recipient.view(), shared, context);
  return join(ephemeral.view(), committed.commitment, committed.key, context, plain);
}

Result<SecretBytes> open_box(const Secret32& private_key, ByteView context, ByteView sealed) {
  const Sealed fields = TRY(split(sealed));
  const PublicKey32 recipient = box_public_key(private_key);
  Secret32 shared;
  if (!multiply(private_key, fields.first, shared))
    return Error(ErrorCode::corrupt, "sealed message has an ephemeral key of small order");
  const CommittedKey committed = box_key(fields.first, recipient.view(), shared, context);
  return open_committed(committed, fields.second, context, fields.ciphertext);
}

Bytes seal_with(const Secret32& key, ByteView context, ByteView plain, Rng& rng) {
  const Secret32 drawn = Secret32::random(rng);
  const std::array<ByteView, 4> parts{drawn.view(), key.view(), context, plain};
  const Secret32 salt = derive_key("holdfast v1 sealed message salt", parts);
  const CommittedKey committed = message_key(key, salt.view(), context);
  return join(committed.commitment, salt.view(), committed.key, context, plain);
}

Result<SecretBytes> open_with(const Secret32& key, ByteView context, ByteView sealed) {
  const Sealed fields = TRY(split(sealed));
  const CommittedKey committed = message_key(key, fields.second, context);
  return open_committed(committed, fields.first, context, fields.ciphertext);
}

}  // namespace holdfast::crypto
