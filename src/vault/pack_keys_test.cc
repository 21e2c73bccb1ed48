// SPDX-License-Identifier: Apache-2.0
#include "vault/pack_keys.h"

#include <gtest/gtest.h>

#include "crypto/testing.h"

namespace holdfast::vault {
namespace {

// A record's header and its piece table are sealed under one nonce. Under one key that would give away both texts, and
// the key of the authentication with them.
TEST(PackKeysTest, what_shares_a_nonce_shares_no_keystream) {
  crypto::SeededRng rng(1);
  PackOrigin origin;
  rng.fill(origin.salt);
  HeaderKeys keys(crypto::Secret32::random(rng), origin);
  const Bytes plain = rng.bytes(60);
  const auto nonce = keys.nonce(plain);
  const auto sealed = [&](std::string_view what) {
    Bytes out(plain.size() + crypto::aead_tag_size_bytes);
    keys.seal(what, nonce, plain, out);
    out.resize(plain.size());
    return out;
  };
  EXPECT_NE(sealed("header"), sealed("pieces"));
  EXPECT_NE(sealed("header"), sealed("origin"));
}

TEST(PackKeysTest, what_is_sealed_for_one_use_does_not_open_for_another) {
  crypto::SeededRng rng(2);
  PackOrigin origin;
  rng.fill(origin.salt);
  HeaderKeys keys(crypto::Secret32::random(rng), origin);
  const Bytes plain = rng.bytes(60);
  const auto nonce = keys.nonce(plain);
  Bytes sealed(plain.size() + crypto::aead_tag_size_bytes), opened(plain.size());
  keys.seal("pieces", nonce, plain, sealed);
  EXPECT_TRUE(keys.open("pieces", nonce, sealed, opened));
  EXPECT_EQ(opened, plain);
  for (const char* other : {"header", "origin", "contents", "footer"}) {
    EXPECT_FALSE(keys.open(other, nonce, sealed, opened)) << other;
  }
}

}  // namespace
}  // namespace holdfast::vault
