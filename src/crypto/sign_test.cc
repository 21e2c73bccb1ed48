// SPDX-License-Identifier: Apache-2.0
#include "crypto/sign.h"

#include <gtest/gtest.h>
#include <openssl/evp.h>

#include "base/byte_io.h"
#include "crypto/testing.h"

namespace holdfast::crypto {
namespace {

// RFC 8032, 7.1, tests 1 and 2.
constexpr const char* rfc_seeds[] = {"9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
                                     "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb"};
constexpr const char* rfc_keys[] = {"d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
                                    "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"};

TEST(SigningKey, gives_the_public_keys_of_rfc_8032) {
  for (size_t at = 0; at < 2; ++at)
    EXPECT_EQ(to_hex(SigningKey::from_seed(secret_hex(rfc_seeds[at])).public_key()), rfc_keys[at]);
}

Bytes framed(std::string_view context, std::string_view message) {
  Bytes bytes = to_bytes("holdfast v1 signature");
  ByteWriter writer(bytes);
  writer.fixed<uint64_t>(context.size());
  writer.raw(as_bytes(context));
  writer.raw(as_bytes(message));
  return bytes;
}

// Signs the framed message with OpenSSL's Ed25519, which shares no code with ours.
TEST(SigningKey, signs_the_documented_bytes_as_another_implementation_does) {
  const Secret32 seed = secret_hex(rfc_seeds[1]);
  const Bytes message = framed("holdfast test", "message");
  EVP_PKEY* const key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nullptr, as_u8(seed.view()), 32);
  EVP_MD_CTX* const context = EVP_MD_CTX_new();
  Signature expected;
  size_t size_bytes = expected.size();
  ASSERT_EQ(EVP_DigestSignInit(context, nullptr, nullptr, nullptr, key), 1);
  ASSERT_EQ(EVP_DigestSign(context, as_u8(MutableByteView(expected)), &size_bytes, as_u8(message), message.size()), 1);
  EVP_MD_CTX_free(context);
  EVP_PKEY_free(key);
  EXPECT_EQ(SigningKey::from_seed(seed).sign("holdfast test", as_bytes("message")), expected);
}

TEST(Verify, accepts_what_was_signed_and_nothing_else) {
  SeededRng rng(11);
  const SigningKey key = SigningKey::generate(rng);
  const Bytes message = rng.bytes(40);
  const Signature signature = key.sign("context", message);
  EXPECT_TRUE(verify(key.public_key(), "context", message, signature));
  EXPECT_TRUE(verify(key.clone().public_key(), "context", message, signature));
  for (size_t bit = 0; bit < signature.size() * 8; ++bit) {
    Signature damaged = signature;
    damaged[bit / 8] ^= static_cast<std::byte>(1u << (bit % 8));
    EXPECT_FALSE(verify(key.public_key(), "context", message, damaged)) << bit;
  }
  for (size_t bit = 0; bit < message.size() * 8; ++bit) {
    Bytes damaged = message;
    damaged[bit / 8] ^= static_cast<std::byte>(1u << (bit % 8));
    EXPECT_FALSE(verify(key.public_key(), "context", damaged, signature)) << bit;
  }
  for (size_t bit = 0; bit < 256; ++bit) {
    SigningPublicKey damaged = key.public_key();
    damaged.value[bit / 8] ^= static_cast<std::byte>(1u << (bit % 8));
    EXPECT_FALSE(verify(damaged, "context", message, signature)) << bit;
  }
  EXPECT_FALSE(verify(key.public_key(), "contexu", message, signature));
  EXPECT_FALSE(verify(key.public_key(), "contex", message, signature));
  EXPECT_FALSE(verify(key.public_key(), "context", message, ByteView(signature).first(63)));
  EXPECT_FALSE(verify(SigningKey::generate(rng).public_key(), "context", message, signature));
  EXPECT_EQ(verify(key.public_key(), "contexu", message, signature).error().code(), ErrorCode::corrupt);
}

TEST(Verify, the_border_between_context_and_message_is_signed) {
  SeededRng rng(12);
  const SigningKey key = SigningKey::generate(rng);
  const Signature signature = key.sign("ab", as_bytes("c"));
  EXPECT_FALSE(verify(key.public_key(), "a", as_bytes("bc"), signature));
  EXPECT_FALSE(verify(key.public_key(), "abc", as_bytes(""), signature));
}

// With the neutral point as key, (neutral, 0) would be a signature of everything under a lax verifier.
TEST(Verify, keys_of_small_order_sign_nothing) {
  SigningPublicKey neutral;
  neutral.value[0] = std::byte{1};
  Signature signature{};
  signature[0] = std::byte{1};
  EXPECT_FALSE(verify(neutral, "context", as_bytes("anything"), signature));
  EXPECT_FALSE(verify(SigningPublicKey{}, "context", as_bytes("anything"), signature));
}

// S and S + L are the same number modulo the group order L; only the smaller is canonical.
TEST(Verify, a_second_form_of_a_signature_is_refused) {
  SeededRng rng(13);
  const SigningKey key = SigningKey::generate(rng);
  Signature signature = key.sign("context", as_bytes("message"));
  const Bytes order = hex("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010");
  unsigned carry = 0;
  for (size_t at = 0; at < 32; ++at) {
    carry += static_cast<unsigned>(signature[32 + at]) + static_cast<unsigned>(order[at]);
    signature[32 + at] = static_cast<std::byte>(carry & 0xff);
    carry >>= 8;
  }
  EXPECT_FALSE(verify(key.public_key(), "context", as_bytes("message"), signature));
}

}  // namespace
}  // namespace holdfast::crypto
