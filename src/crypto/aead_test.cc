// SPDX-License-Identifier: Apache-2.0
#include "crypto/aead.h"

#include <gtest/gtest.h>

#include "crypto/testing.h"

namespace holdfast::crypto {
namespace {

using NonceBytes = std::array<std::byte, aead_nonce_size_bytes>;

NonceBytes nonce_hex(std::string_view text) {
  NonceBytes nonce;
  const Bytes bytes = hex(text);
  std::memcpy(nonce.data(), bytes.data(), nonce.size());
  return nonce;
}

Bytes sealed_with(Aead& aead, Nonce nonce, ByteView associated, ByteView plain) {
  Bytes out(plain.size() + aead_tag_size_bytes);
  aead.seal(nonce, associated, plain, out);
  return out;
}

Result<Bytes> opened_with(Aead& aead, Nonce nonce, ByteView associated, ByteView sealed) {
  Bytes out(sealed.size() - std::min(sealed.size(), aead_tag_size_bytes));
  TRY_DO(aead.open(nonce, associated, sealed, out));
  return out;
}

// McGrew and Viega, "The Galois/Counter Mode of Operation", test cases 13, 14 and 16.
struct Vector {
  const char *key, *nonce, *associated, *plain, *sealed;
};
constexpr Vector vectors[] = {
    {"0000000000000000000000000000000000000000000000000000000000000000", "000000000000000000000000", "", "",
     "530f8afbc74536b9a963b4f1c4cb738b"},
    {"0000000000000000000000000000000000000000000000000000000000000000", "000000000000000000000000", "",
     "00000000000000000000000000000000", "cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919"},
    {"feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308", "cafebabefacedbaddecaf888",
     "feedfacedeadbeeffeedfacedeadbeefabaddad2",
     "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657"
     "ba637b39",
     "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0a"
     "bcc9f66276fc6ece0f4e1768cddf8853bb2d551b"},
};

TEST(Aead, gives_the_published_vectors) {
  for (const Vector& vector : vectors) {
    Aead aead(Suite::aes256gcm, secret_hex(vector.key));
    const NonceBytes nonce = nonce_hex(vector.nonce);
    const Bytes associated = hex(vector.associated), plain = hex(vector.plain);
    EXPECT_EQ(to_hex(sealed_with(aead, nonce, associated, plain)), vector.sealed);
    const auto opened = opened_with(aead, nonce, associated, hex(vector.sealed));
    ASSERT_TRUE(opened);
    EXPECT_EQ(*opened, plain);
  }
}

TEST(Aead, one_object_seals_and_opens_many_messages_of_all_sizes) {
  SeededRng rng(21);
  Aead aead(Suite::aes256gcm, Secret32::random(rng));
  for (size_t size = 0; size < 300; ++size) {
    NonceBytes nonce;
    rng.fill(nonce);
    const Bytes plain = rng.bytes(size), associated = rng.bytes(rng.below(50));
    Bytes buffer(size + aead_tag_size_bytes);
    std::copy(plain.begin(), plain.end(), buffer.begin());
    aead.seal(nonce, associated, ByteView(buffer).first(size), buffer);
    EXPECT_EQ(buffer, sealed_with(aead, nonce, associated, plain)) << "in place, size " << size;
    ASSERT_TRUE(aead.open(nonce, associated, buffer, MutableByteView(buffer).first(size)));
    EXPECT_TRUE(equal(ByteView(buffer).first(size), plain));
  }
}

TEST(Aead, every_flipped_bit_is_found_and_nothing_is_left_in_the_output) {
  SeededRng rng(22);
  Aead aead(Suite::aes256gcm, Secret32::random(rng));
  NonceBytes nonce;
  rng.fill(nonce);
  const Bytes plain = rng.bytes(37), associated = rng.bytes(19);
  const Bytes sealed = sealed_with(aead, nonce, associated, plain);
  const auto flip = [](auto bytes, size_t bit) {
    bytes[bit / 8] ^= static_cast<std::byte>(1u << (bit % 8));
    return bytes;
  };
  for (size_t bit = 0; bit < sealed.size() * 8; ++bit) {
    Bytes out(plain.size(), std::byte{0xee});
    const Status status = aead.open(nonce, associated, flip(sealed, bit), out);
    ASSERT_FALSE(status) << bit;
    EXPECT_EQ(status.error().code(), ErrorCode::corrupt);
    EXPECT_EQ(out, Bytes(plain.size(), std::byte{0}));
  }
  for (size_t bit = 0; bit < associated.size() * 8; ++bit)
    EXPECT_FALSE(opened_with(aead, nonce, flip(associated, bit), sealed)) << bit;
  for (size_t bit = 0; bit < nonce.size() * 8; ++bit)
    EXPECT_FALSE(opened_with(aead, flip(nonce, bit), associated, sealed)) << bit;
  for (size_t size = 0; size < sealed.size(); ++size)
    EXPECT_FALSE(opened_with(aead, nonce, associated, ByteView(sealed).first(size))) << size;
  EXPECT_FALSE(opened_with(aead, nonce, ByteView(associated).first(18), sealed));
  Aead other(Suite::aes256gcm, Secret32::random(rng));
  EXPECT_FALSE(opened_with(other, nonce, associated, sealed));
  EXPECT_TRUE(opened_with(aead, nonce, associated, sealed)) << "a failure leaves the object usable";
}

TEST(Suite, unknown_numbers_are_unsupported) {
  EXPECT_EQ(*decode_suite(1), Suite::aes256gcm);
  for (const int number : {0, 2, 255})
    EXPECT_EQ(decode_suite(static_cast<uint8_t>(number)).error().code(), ErrorCode::unsupported);
}

}  // namespace
}  // namespace holdfast::crypto
