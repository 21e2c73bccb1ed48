// SPDX-License-Identifier: Apache-2.0
#include "crypto/sha256.h"

#include <gtest/gtest.h>

#include <array>

#include "base/hash_id.h"

namespace holdfast::crypto {
namespace {

std::string hex(const Hash32& hash) { return to_hex(ByteView(hash)); }

TEST(Sha256, known_answers_of_fips_180_come_out) {
  EXPECT_EQ(hex(sha256(ByteView())), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(hex(sha256(as_bytes("abc"))), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  const std::array<ByteView, 3> parts{as_bytes("a"), {}, as_bytes("bc")};
  EXPECT_EQ(sha256(parts), sha256(as_bytes("abc")));
}

TEST(Sha256, known_answers_of_rfc_4231_come_out) {
  EXPECT_EQ(hex(hmac_sha256(as_bytes("Jefe"), as_bytes("what do ya want for nothing?"))),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  EXPECT_EQ(hex(hmac_sha256({}, {})), "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
}

}  // namespace
}  // namespace holdfast::crypto
