// SPDX-License-Identifier: Apache-2.0
#include "crypto/box.h"

#include <gtest/gtest.h>
#include <openssl/evp.h>

#include "crypto/aead.h"
#include "crypto/hash.h"
#include "crypto/testing.h"

namespace holdfast::crypto {
namespace {

Bytes flipped(ByteView bytes, size_t bit) {
  Bytes copy = to_bytes(bytes);
  copy[bit / 8] ^= static_cast<std::byte>(1u << (bit % 8));
  return copy;
}

// RFC 7748, 6.1.
TEST(Box, public_keys_are_those_of_rfc_7748) {
  EXPECT_EQ(to_hex(box_public_key(secret_hex("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a"))),
            "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a");
  EXPECT_EQ(to_hex(box_public_key(secret_hex("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb"))),
            "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f");
}

// Sealed by this code; that it follows docs/format.md was checked once with Python's blake3 and cryptography modules.
TEST(Box, sealed_messages_of_old_open_for_ever) {
  const Secret32 key = secret_hex("44f53cf1949b2523e49fb8c6d638bc03cde5d2fb970f543e709a8568e6d7db40");
  const auto box = open_box(key, as_bytes("context"), hex(
      "6c801efb5654127ae52d040fefba499628fde84dda37383e22979ecf8c09c1555e403ca732e1c64cb9248db71aea960a"
      "3b00c53d27548762009067a4280c81d8225874d6c417e9f80a5b1eb0d6d62b7977d53b52c1"));
  ASSERT_TRUE(box);
  EXPECT_EQ(as_text(box->view()), "plain");
  const auto message = open_with(key, as_bytes("context"), hex(
      "0b2b7335b87f4048776f2a7a58ffff936f75625fcf5739ee809f41cf52b01016c8b1b2cfc136399e5442c5a75fbb45cb"
      "e46f3bb925fb3835d3c0b8ac80336e3158225db14c3626f0ae44958ae749c883147edbb645"));
  ASSERT_TRUE(message);
  EXPECT_EQ(as_text(message->view()), "plain");
}

TEST(Box, opens_for_the_recipient_in_the_same_context_only) {
  SeededRng rng(31);
  const BoxKeyPair pair = generate_box_keypair(rng);
  for (const size_t size : {0, 1, 32, 1000}) {
    const Bytes plain = rng.bytes(size);
    const auto sealed = seal_to(pair.public_key, as_bytes("context"), plain, rng);
    ASSERT_TRUE(sealed);
    EXPECT_EQ(sealed->size(), size + box_overhead_bytes);
    const auto opened = open_box(pair.private_key, as_bytes("context"), *sealed);
    ASSERT_TRUE(opened);
    EXPECT_TRUE(equal(opened->view(), plain));
    EXPECT_EQ(open_box(pair.private_key, as_bytes("contexu"), *sealed).error().code(), ErrorCode::wrong_key);
    const BoxKeyPair other = generate_box_keypair(rng);
    EXPECT_EQ(open_box(other.private_key, as_bytes("context"), *sealed).error().code(), ErrorCode::wrong_key);
  }
}

TEST(Box, every_flipped_bit_and_every_truncation_is_found) {
  SeededRng rng(32);
  const BoxKeyPair pair = generate_box_keypair(rng);
  const Bytes sealed = *seal_to(pair.public_key, as_bytes("context"), as_bytes("plain"), rng);
  for (size_t bit = 0; bit < sealed.size() * 8; ++bit) {
    const auto opened = open_box(pair.private_key, as_bytes("context"), flipped(sealed, bit));
    ASSERT_FALSE(opened) << bit;
    EXPECT_EQ(opened.error().code(), bit < 512 ? ErrorCode::wrong_key : ErrorCode::corrupt);
  }
  for (size_t size = 0; size < sealed.size(); ++size)
    EXPECT_EQ(open_box(pair.private_key, as_bytes("context"), ByteView(sealed).first(size)).error().code(),
              ErrorCode::corrupt);
}

// The points of small order on Curve25519 and its twist, in canonical form.
constexpr const char* small_order_points[] = {
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000000",
    "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
    "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
};

TEST(Box, points_that_contribute_nothing_are_refused_on_both_sides) {
  SeededRng rng(33);
  const BoxKeyPair pair = generate_box_keypair(rng);
  Bytes sealed = *seal_to(pair.public_key, as_bytes("context"), as_bytes("plain"), rng);
  for (const char* const text : small_order_points) {
    const Bytes point = hex(text);
    EXPECT_EQ(seal_to(PublicKey32::from(point), {}, {}, rng).error().code(), ErrorCode::invalid) << text;
    std::copy(point.begin(), point.end(), sealed.begin());
    EXPECT_EQ(open_box(pair.private_key, as_bytes("context"), sealed).error().code(), ErrorCode::corrupt) << text;
  }
}

TEST(SealWith, opens_under_the_same_key_and_context_only) {
  SeededRng rng(34);
  const Secret32 key = Secret32::random(rng), other = Secret32::random(rng);
  const Bytes sealed = seal_with(key, as_bytes("context"), as_bytes("plain"), rng);
  EXPECT_EQ(sealed.size(), 5 + box_overhead_bytes);
  EXPECT_EQ(as_text(open_with(key, as_bytes("context"), sealed)->view()), "plain");
  EXPECT_EQ(open_with(other, as_bytes("context"), sealed).error().code(), ErrorCode::wrong_key);
  EXPECT_EQ(open_with(key, as_bytes("other"), sealed).error().code(), ErrorCode::wrong_key);
  for (size_t bit = 0; bit < sealed.size() * 8; ++bit) {
    const auto opened = open_with(key, as_bytes("context"), flipped(sealed, bit));
    ASSERT_FALSE(opened) << bit;
    EXPECT_EQ(opened.error().code(), bit < 512 ? ErrorCode::wrong_key : ErrorCode::corrupt);
  }
  for (size_t size = 0; size < sealed.size(); ++size)
    EXPECT_EQ(open_with(key, as_bytes("context"), ByteView(sealed).first(size)).error().code(), ErrorCode::corrupt);
}

// Elements of GCM's field: bit 0 is the first byte's highest.
using Block = std::array<std::byte, 16>;

Block sum(Block a, const Block& b) {
  for (size_t at = 0; at < a.size(); ++at) a[at] ^= b[at];
  return a;
}
Block product(const Block& a, Block b) {
  Block result{};
  for (size_t bit = 0; bit < 128; ++bit) {
    if ((a[bit / 8] >> (7 - bit % 8) & std::byte{1}) != std::byte{0}) result = sum(result, b);
    std::byte carry{0};
    for (std::byte& byte : b) {
      const std::byte next = byte << 7;
      byte = byte >> 1 | carry;
      carry = next;
    }
    if (carry != std::byte{0}) b[0] ^= std::byte{0xe1};
  }
  return result;
}
Block inverse(const Block& a) {  // a to the power of 2^128 - 2.
  Block result{std::byte{0x80}}, power = a;
  for (int bit = 1; bit < 128; ++bit) {
    power = product(power, power);
    result = product(result, power);
  }
  return result;
}

Block encrypted(const Secret32& key, const Block& block) {
  Block out;
  int size = 0;
  EVP_CIPHER_CTX* const context = EVP_CIPHER_CTX_new();
  CHECK(EVP_EncryptInit_ex(context, EVP_aes_256_ecb(), nullptr, as_u8(key.view()), nullptr) == 1);
  CHECK(EVP_EncryptUpdate(context, as_u8(MutableByteView(out)), &size, as_u8(ByteView(block)), 16) == 1);
  EVP_CIPHER_CTX_free(context);
  return out;
}

// One block and tag that AES-GCM opens under both keys with a zero nonce: the block for which both tags are the same.
Bytes opened_by_both(const Secret32& first, const Secret32& second) {
  Block start{}, length{};
  start[15] = std::byte{1};
  length[15] = std::byte{128};
  const Block h1 = encrypted(first, {}), h2 = encrypted(second, {});
  const Block mask1 = encrypted(first, start), mask2 = encrypted(second, start);
  const Block wanted = sum(product(length, sum(h1, h2)), sum(mask1, mask2));
  const Block block = product(wanted, inverse(sum(product(h1, h1), product(h2, h2))));
  const Block tag = sum(sum(product(block, product(h1, h1)), product(length, h1)), mask1);
  Bytes out = to_bytes(block);
  out.insert(out.end(), tag.begin(), tag.end());
  return out;
}

TEST(Commitment, a_ciphertext_that_opens_under_two_keys_is_refused_under_the_other) {
  SeededRng rng(38);
  const Secret32 key = Secret32::random(rng), other = Secret32::random(rng);
  const Bytes salt = rng.bytes(32);
  const std::array<ByteView, 3> parts{key.view(), salt, {}}, other_parts{other.view(), salt, {}};
  const CommittedKey committed = derive_committed_key("holdfast v1 sealed message", parts);
  const CommittedKey other_committed = derive_committed_key("holdfast v1 sealed message", other_parts);
  const Bytes ciphertext = opened_by_both(committed.key, other_committed.key);
  const std::array<std::byte, aead_nonce_size_bytes> nonce{};
  Bytes plain(16);
  ASSERT_TRUE(Aead(Suite::aes256gcm, committed.key).open(nonce, {}, ciphertext, plain)) << "the attack must work";
  ASSERT_TRUE(Aead(Suite::aes256gcm, other_committed.key).open(nonce, {}, ciphertext, plain));
  Bytes sealed = to_bytes(committed.commitment);
  sealed.insert(sealed.end(), salt.begin(), salt.end());
  sealed.insert(sealed.end(), ciphertext.begin(), ciphertext.end());
  EXPECT_TRUE(open_with(key, {}, sealed));
  EXPECT_EQ(open_with(other, {}, sealed).error().code(), ErrorCode::wrong_key);
}

// A cloned machine draws the same bytes again: what it seals must share nothing that helps.
TEST(Seals, a_generator_that_repeats_itself_reuses_no_key_for_another_message) {
  SeededRng setup(35);
  const BoxKeyPair pair = generate_box_keypair(setup);
  const Secret32 key = Secret32::random(setup);
  SeededRng first(36), second(36), third(36), fourth(36);
  const Bytes box = *seal_to(pair.public_key, {}, as_bytes("one"), first);
  const Bytes other_box = *seal_to(pair.public_key, {}, as_bytes("two"), second);
  EXPECT_FALSE(equal(ByteView(box).first(32), ByteView(other_box).first(32)));
  const Bytes message = seal_with(key, {}, as_bytes("one"), third);
  const Bytes other_message = seal_with(key, {}, as_bytes("two"), fourth);
  EXPECT_FALSE(equal(ByteView(message).subspan(32, 32), ByteView(other_message).subspan(32, 32)));
}

TEST(Seals, equal_messages_look_different) {
  SeededRng rng(37);
  const Secret32 key = Secret32::random(rng);
  EXPECT_NE(seal_with(key, {}, as_bytes("same"), rng), seal_with(key, {}, as_bytes("same"), rng));
  const BoxKeyPair pair = generate_box_keypair(rng);
  EXPECT_NE(*seal_to(pair.public_key, {}, as_bytes("same"), rng), *seal_to(pair.public_key, {}, as_bytes("same"), rng));
}

}  // namespace
}  // namespace holdfast::crypto
