// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/check.h"
#include "base/seams.h"
#include "crypto/hash.h"
#include "crypto/testing.h"
#include "format/key_list.h"
#include "vault/keyring.h"

// For tests only: a clock that stands still and vaults that open at once.
namespace holdfast::vault {

class StillClock final : public Clock {
 public:
  explicit StillClock(UnixTimeNs time = 1'800'000'000'000'000'000) : time_(time) {}
  UnixTimeNs now() override { return time_; }
  std::chrono::nanoseconds monotonic() override { return std::chrono::nanoseconds(time_); }
  void sleep_for(std::chrono::nanoseconds duration) override { time_ += duration.count(); }

 private:
  UnixTimeNs time_;
};

// The cheapest that is allowed: tests open passphrase slots by the hundred.
inline constexpr crypto::KdfParameters cheap_kdf{.memory_kib = 8, .iterations = 1, .lanes = 1};

inline Passphrase passphrase(std::string_view text) { return {crypto::SecretBytes::from(as_bytes(text))}; }

// A new vault, opened by its owner with a private key, and that key.
struct TestVault {
  Keyring keyring;
  crypto::Secret32 private_key;
  Credential credential() const { return PrivateKey{private_key.clone()}; }
};
inline TestVault make_test_vault(store::ObjectStore& store, Rng& rng, Clock& clock, VaultParameters parameters = {}) {
  crypto::Secret32 key = crypto::Secret32::random(rng);
  CreateOptions options;
  options.first_slot = PrivateKey{key.clone()};
  options.parameters = parameters;
  options.author_name = "test-host";
  auto created = Keyring::create(store, std::move(options), rng, clock);
  CHECK(created.has_value());
  return {std::move(created->keyring), std::move(key)};
}

// `keyring` opens again with what it was given; a failure stops the test.
inline Keyring open_test_vault(store::ObjectStore& store, const Credential& credential) {
  Pins pins;
  auto opened = Keyring::open(store, credential, pins);
  CHECK(opened.has_value());
  return *std::move(opened);
}

// A key list with one more feature, as a later version's owner might write it (docs/format.md 14.1): twice its number, up
// to 63, and 1 more if nobody may read the vault without knowing it. Whoever has the vault open understands the list;
// opening it anew fails, since the owner's secrets are those of the list before.
inline void add_feature_mark(store::ObjectStore& store, const Keyring& owner, uint8_t mark) {
  uint64_t number = 1;
  while (store.stat(key_list_key(number + 1))) ++number;
  const Bytes before = *store.get(key_list_key(number), std::nullopt);
  format::KeyList list =
      *format::decode_key_list(ByteView(before).first(before.size() - crypto::signature_size_bytes));
  list.header.number = number + 1;
  list.header.previous = ObjectId::from(crypto::hash(before));
  list.unknown_features = {uint64_t{mark} / 2};
  constexpr size_t features_at = 116;
  Bytes bytes = format::encode_key_list(list);
  bytes[features_at + 1] = std::byte{mark};
  const crypto::Signature signature = owner.signing_key().sign("holdfast v1 key list", bytes);
  const std::array<ByteView, 2> parts{ByteView(bytes), ByteView(signature)};
  CHECK(store.create(key_list_key(number + 1), parts).has_value());
}

}  // namespace holdfast::vault
