// SPDX-License-Identifier: Apache-2.0
#include "vault/key_state.h"

#include <gtest/gtest.h>

#include "crypto/testing.h"
#include "vault/credentials.h"
#include "vault/testing.h"

namespace holdfast::vault {
namespace {

// docs/format.md 3.12
TEST(KeyDerivations, known_inputs_give_known_keys) {
  crypto::Secret32 seed;
  for (size_t at = 0; at < seed.size_bytes; ++at) seed.mutable_view()[at] = static_cast<std::byte>(at);
  const crypto::SigningPublicKey owner = crypto::SigningKey::from_seed(seed).public_key();
  const VaultId vault = vault_id_of(owner);
  EXPECT_EQ(to_hex(owner),
            "03a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b8");
  EXPECT_EQ(to_hex(vault),
            "ecd2a01557b69d836be27a0dcc1e589e45d8a63944f83f0833466c96a7b8ed15");
  EXPECT_EQ(to_hex(author_id_of(owner)),
            "5a939541a5566b90");
  std::array<std::byte, 32> salt;
  salt.fill(std::byte{0xa5});
  const auto text = crypto::SecretBytes::from(as_bytes("correct horse"));
  const auto key = passphrase_private_key(text, salt, cheap_kdf, vault);
  ASSERT_TRUE(key.has_value());
  EXPECT_EQ(holdfast::to_hex(key->view()),
            "dfbe26282ae55ff8c9b8f70bb8aec222c10847a300b03bb71380e1dd9b8ef737");
  EXPECT_EQ(holdfast::to_hex(recovery_private_key(crypto::SecretBytes(20), vault).view()),
            "00350e27661b7617a0027172b44c754cd29de1e4deed5596e2df0e2a16d34715");
}

TEST(KeyDerivations, seals_of_different_purposes_and_places_have_different_contexts) {
  VaultId vault, other;
  other.value[0] = std::byte{1};
  const std::vector<Bytes> contexts{slot_context(vault, 1, 1),      slot_context(vault, 1, 2),
                                    slot_context(vault, 2, 1),      slot_context(other, 1, 1),
                                    collector_context(vault, 1, 1), area_context(vault, 1, 1),
                                    area_context(vault, 1, 2),      owner_secrets_context(vault, 1),
                                    owner_secrets_context(vault, 2), grant_context(vault, {}),
                                    grant_context(other, {})};
  for (size_t a = 0; a < contexts.size(); ++a)
    for (size_t b = 0; b < a; ++b) EXPECT_FALSE(equal(contexts[a], contexts[b])) << a << " " << b;
}

}  // namespace
}  // namespace holdfast::vault
