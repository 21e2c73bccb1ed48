// SPDX-License-Identifier: Apache-2.0
#include "crypto/kdf.h"

#include <gtest/gtest.h>
#include <sodium/crypto_pwhash_argon2id.h>

#include "crypto/testing.h"

namespace holdfast::crypto {
namespace {

// RFC 9106, 5.3.
TEST(Kdf, gives_the_vector_of_rfc_9106) {
  const Bytes passphrase(32, std::byte{1}), salt(16, std::byte{2});
  const Bytes secret(8, std::byte{3}), associated(12, std::byte{4});
  const auto key =
      stretch_passphrase({passphrase, salt, secret, associated}, {.memory_kib = 32, .iterations = 3, .lanes = 4});
  ASSERT_TRUE(key);
  EXPECT_EQ(to_hex(key->view()), "0d640df58d78766c08c037a34a8b53c9d01ef0452d75b65eb52520e96b01e659");
}

// libsodium's is another implementation, with one lane.
TEST(Kdf, agrees_with_another_implementation) {
  const std::string_view passphrase = "correct horse";
  const Bytes salt = to_bytes("sixteen bytes ok");
  Secret32 expected;
  ASSERT_EQ(crypto_pwhash_argon2id(as_u8(MutableByteView(expected.mutable_view())), 32, passphrase.data(),
                                   passphrase.size(), as_u8(salt), 2, 1024 * 1024,
                                   crypto_pwhash_argon2id_ALG_ARGON2ID13),
            0);
  const auto key =
      stretch_passphrase({as_bytes(passphrase), salt, {}, {}}, {.memory_kib = 1024, .iterations = 2, .lanes = 1});
  ASSERT_TRUE(key);
  EXPECT_TRUE(*key == expected);
}

TEST(Kdf, its_memory_is_told_of_before_it_is_used) {
  static MutableByteView told;
  advise_kdf_memory_with([](MutableByteView memory) { told = memory; });
  const Bytes salt(16, std::byte{7});
  ASSERT_TRUE(stretch_passphrase({as_bytes("p"), salt, {}, {}}, {.memory_kib = 3000, .iterations = 1, .lanes = 2}));
  advise_kdf_memory_with(nullptr);
  EXPECT_EQ(told.size(), size_t{4} << 20);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(told.data()) % (2 << 20), 0u);
}

TEST(Kdf, every_input_and_parameter_matters) {
  const Bytes salt(16, std::byte{7}), other_salt(16, std::byte{8});
  const KdfParameters base{.memory_kib = 64, .iterations = 1, .lanes = 2};
  const KdfInput input{as_bytes("p"), salt, {}, {}};
  std::vector<Secret32> keys;
  const auto add = [&](const KdfInput& with, const KdfParameters& parameters) {
    auto key = stretch_passphrase(with, parameters);
    ASSERT_TRUE(key);
    for (const Secret32& other : keys) EXPECT_FALSE(other == *key) << keys.size();
    keys.push_back(std::move(*key));
  };
  add(input, base);
  add({as_bytes("q"), salt, {}, {}}, base);
  add({as_bytes(""), salt, {}, {}}, base);
  add({as_bytes("p"), other_salt, {}, {}}, base);
  add({as_bytes("p"), salt, as_bytes("s"), {}}, base);
  add({as_bytes("p"), salt, {}, as_bytes("s")}, base);
  add(input, {.memory_kib = 65, .iterations = 1, .lanes = 1});
  add(input, {.memory_kib = 64, .iterations = 2, .lanes = 2});
  add(input, {.memory_kib = 64, .iterations = 1, .lanes = 4});
}

TEST(Kdf, bounds_are_kept_before_anything_is_allocated) {
  const auto code = [](const KdfParameters& parameters, size_t salt_size_bytes) {
    const Bytes salt(salt_size_bytes, std::byte{1});
    const auto key = stretch_passphrase({as_bytes("p"), salt, {}, {}}, parameters);
    return key ? std::optional<ErrorCode>() : key.error().code();
  };
  const KdfParameters small{.memory_kib = 128, .iterations = 1, .lanes = 1};
  EXPECT_EQ(code(small, 15), ErrorCode::invalid);
  EXPECT_EQ(code(small, 65), ErrorCode::invalid);
  EXPECT_EQ(code(small, 64), std::nullopt);
  EXPECT_EQ(code({.memory_kib = 0xffffffff, .iterations = 1, .lanes = 1}, 16), ErrorCode::invalid);
  EXPECT_EQ(code({.memory_kib = kdf_memory_kib_max + 1, .iterations = 1, .lanes = 1}, 16), ErrorCode::invalid);
  EXPECT_EQ(code({.memory_kib = 7, .iterations = 1, .lanes = 1}, 16), ErrorCode::invalid);
  EXPECT_EQ(code({.memory_kib = 127, .iterations = 1, .lanes = 16}, 16), ErrorCode::invalid);
  EXPECT_EQ(code({.memory_kib = 128, .iterations = 1, .lanes = 16}, 16), std::nullopt);
  EXPECT_EQ(code({.memory_kib = 1024, .iterations = 1, .lanes = 17}, 16), ErrorCode::invalid);
  EXPECT_EQ(code({.memory_kib = 1024, .iterations = 1, .lanes = 0}, 16), ErrorCode::invalid);
  EXPECT_EQ(code({.memory_kib = 1024, .iterations = 0, .lanes = 1}, 16), ErrorCode::invalid);
  EXPECT_EQ(code({.memory_kib = 128, .iterations = 17, .lanes = 1}, 16), ErrorCode::invalid);
  EXPECT_EQ(code({.memory_kib = 128, .iterations = 16, .lanes = 1}, 16), std::nullopt);
}

}  // namespace
}  // namespace holdfast::crypto
