// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/check.h"
#include "base/seams.h"
#include "crypto/testing.h"
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

}  // namespace holdfast::vault
