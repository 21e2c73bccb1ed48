// SPDX-License-Identifier: Apache-2.0
// What storage that lies, a thief with an agent's credential, and a failing store can do to the keys: nothing that
// stays unnoticed. The numbers are those of the hostile-storage game in docs/security.md.
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <map>
#include <set>

#include "base/byte_io.h"
#include "format/key_secrets.h"
#include "format/key_text.h"
#include "store/mem/mem_store.h"
#include "vault/key_draft.h"
#include "vault/key_list_store.h"
#include "vault/testing.h"

namespace holdfast::vault {
namespace {

using crypto::SeededRng;
using store::MemStore;

ErrorCode code(const auto& result) { return result ? ErrorCode::internal : result.error().code(); }

// A store as an attacker or a fault makes it.
class BentStore : public MemStore {
 public:
  explicit BentStore(MemStore& inner) : inner_(inner) {}
  std::string describe() const override { return inner_.describe(); }
  store::Capabilities capabilities() const override { return inner_.capabilities(); }
  Status create(std::string_view key, std::span<const ByteView> parts) override {
    return on_create ? on_create(key, parts) : inner_.create(key, parts);
  }
  Result<Bytes> get(std::string_view key, std::optional<store::Range> range) override {
    const auto replaced = replaced_.find(std::string(key));
    if (replaced == replaced_.end()) return inner_.get(key, range);
    if (!replaced->second) return Error(ErrorCode::not_found, std::string(key));
    return *replaced->second;
  }
  Result<store::ObjectInfo> stat(std::string_view key) override {
    const auto bytes = TRY(get(key, std::nullopt));
    return store::ObjectInfo{std::string(key), bytes.size()};
  }
  Status list(std::string_view prefix, std::string_view after,
              const std::function<Status(const store::ObjectInfo&)>& visit) override {
    std::set<std::string> keys;
    TRY_DO(inner_.list(prefix, after, [&](const store::ObjectInfo& object) -> Status {
      keys.insert(object.key);
      return {};
    }));
    for (const auto& [key, bytes] : replaced_) {
      keys.erase(key);
      if (bytes && key.starts_with(prefix)) keys.insert(key);
    }
    for (const std::string& key : keys) TRY_DO(visit({key, 1}));
    return {};
  }
  void hide(uint64_t number) { replaced_[key_list_key(number)] = std::nullopt; }
  void show(uint64_t number, Bytes bytes) { replaced_[key_list_key(number)] = std::move(bytes); }

  std::function<Status(std::string_view, std::span<const ByteView>)> on_create;

 private:
  MemStore& inner_;
  std::map<std::string, std::optional<Bytes>> replaced_;
};

class HostileTest : public testing::Test {
 protected:
  Bytes stored(uint64_t number) { return *store_.get(key_list_key(number), std::nullopt); }
  Result<Keyring> open(store::ObjectStore& store, Pins pins = {}) {
    return Keyring::open(store, vault_.credential(), pins);
  }
  crypto::SecretBytes add_agent(std::string name, std::optional<DomainId> share = {}, Role role = Role::agent) {
    return *vault_.keyring.add_agent({std::move(name), share, role}, rng_, clock_);
  }
  void rotate(int times) {
    for (int round = 0; round < times; ++round) ASSERT_TRUE(vault_.keyring.rotate(rng_, clock_));
  }
  // The bytes of list `number` signed by anybody's key.
  static Bytes sign(const format::KeyList& list, const crypto::SigningKey& key) {
    Bytes bytes = format::encode_key_list(list);
    const crypto::Signature signature = key.sign(key_list_signature_context, bytes);
    bytes.insert(bytes.end(), signature.begin(), signature.end());
    return bytes;
  }
  static format::KeyList decode(ByteView stored) {
    return *format::decode_key_list(stored.first(stored.size() - crypto::signature_size_bytes));
  }

  MemStore store_;
  SeededRng rng_{77};
  StillClock clock_;
  TestVault vault_ = make_test_vault(store_, rng_, clock_);
};

TEST_F(HostileTest, any_flipped_bit_of_a_key_list_is_refused) {
  add_agent("web");
  const Bytes good = stored(2);
  size_t refused = 0;
  for (size_t bit = 0; bit < good.size() * 8; ++bit) {
    Bytes bad = good;
    bad[bit / 8] ^= std::byte{1} << (bit % 8);
    refused += check_key_list(std::move(bad)) ? 0 : 1;
  }
  EXPECT_EQ(refused, good.size() * 8);
  BentStore bent(store_);
  Bytes bad = good;
  bad[good.size() / 2] ^= std::byte{4};
  bent.show(2, bad);
  EXPECT_EQ(code(open(bent)), ErrorCode::corrupt);
}

TEST_F(HostileTest, truncated_extended_and_foreign_bytes_are_refused) {
  const Bytes good = stored(1);
  BentStore bent(store_);
  for (const size_t size : {size_t{0}, size_t{1}, size_t{63}, size_t{64}, size_t{147}, good.size() - 1}) {
    bent.show(1, Bytes(good.begin(), good.begin() + static_cast<ptrdiff_t>(size)));
    EXPECT_EQ(code(open(bent)), ErrorCode::corrupt) << size;
  }
  Bytes longer = good;
  longer.push_back(std::byte{0});
  bent.show(1, longer);
  EXPECT_EQ(code(open(bent)), ErrorCode::corrupt);
  bent.show(1, Bytes(format::key_list_size_bytes_max + 65));
  EXPECT_EQ(code(open(bent)), ErrorCode::corrupt);
}

TEST_F(HostileTest, a_rolled_back_vault_is_refused_by_who_has_seen_more) {
  rotate(2);
  const Pins pins = vault_.keyring.pins();
  BentStore bent(store_);
  bent.hide(3);
  EXPECT_EQ(code(open(bent, pins)), ErrorCode::corrupt);
  EXPECT_TRUE(open(bent).has_value()) << "who remembers nothing cannot tell";
  bent.hide(2);
  EXPECT_EQ(code(open(bent, pins)), ErrorCode::corrupt);
  bent.hide(1);
  EXPECT_EQ(code(open(bent, pins)), ErrorCode::not_found);
}

TEST_F(HostileTest, an_old_list_under_a_new_number_is_refused) {
  rotate(2);
  BentStore bent(store_);
  for (const uint64_t number : {3u, 4u, 1000u}) {
    bent.show(number, stored(1));
    EXPECT_EQ(code(open(bent)), ErrorCode::corrupt) << number;
    EXPECT_EQ(code(open(bent, vault_.keyring.pins())), ErrorCode::corrupt) << number;
  }
}

TEST_F(HostileTest, another_vault_in_its_place_is_refused_by_who_knows_the_id) {
  MemStore other;
  const TestVault foreign = make_test_vault(other, rng_, clock_);
  const auto seen = vault_.keyring.pins();
  Pins pins = seen;
  EXPECT_EQ(code(Keyring::open(other, foreign.credential(), pins)), ErrorCode::corrupt);
  EXPECT_EQ(pins.key_list_hash, seen.key_list_hash) << "a refusal leaves the pins alone";
  pins.key_list_number = 0;
  EXPECT_EQ(code(Keyring::open(other, foreign.credential(), pins)), ErrorCode::corrupt);
  const auto kit = vault_.keyring.add_recovery_key("kit", rng_, clock_);
  Pins none;
  EXPECT_EQ(code(Keyring::open(other, RecoveryKey{*kit}, none)), ErrorCode::wrong_key);
  const auto file = vault_.keyring.add_key_file("file", rng_, clock_);
  EXPECT_EQ(code(Keyring::open(other, KeyFile{file->clone()}, none)), ErrorCode::corrupt);
  Pins other_pins = foreign.keyring.pins();
  EXPECT_EQ(code(Keyring::open(other, KeyFile{file->clone()}, other_pins)), ErrorCode::wrong_key);
}

// The owner's key in the hands of storage that forks: two lists with one number, both signed.
TEST_F(HostileTest, a_forked_history_is_refused_by_who_has_seen_the_other_branch) {
  MemStore fork;
  const Bytes first = stored(1);
  const std::array<ByteView, 1> parts{first};
  ASSERT_TRUE(fork.create(key_list_key(1), parts));
  Keyring other = open_test_vault(fork, vault_.credential());
  rotate(1);
  ASSERT_TRUE(other.rotate(rng_, clock_));
  EXPECT_EQ(code(open(fork, vault_.keyring.pins())), ErrorCode::corrupt);
  ASSERT_TRUE(other.rotate(rng_, clock_));
  EXPECT_EQ(code(open(fork, vault_.keyring.pins())), ErrorCode::corrupt) << "the links lead to another past";
}

TEST_F(HostileTest, a_missing_or_exchanged_list_between_the_pinned_and_the_newest_is_refused) {
  const Pins pins = vault_.keyring.pins();
  rotate(4);
  ASSERT_TRUE(open(store_, pins).has_value());
  BentStore bent(store_);
  bent.hide(3);
  EXPECT_EQ(code(open(bent, pins)), ErrorCode::corrupt);
  bent.show(3, stored(2));
  EXPECT_EQ(code(open(bent, pins)), ErrorCode::corrupt);
  Pins wrong = pins;
  wrong.key_list_hash.value[5] ^= std::byte{1};
  EXPECT_EQ(code(open(store_, wrong)), ErrorCode::corrupt);
}

TEST_F(HostileTest, strays_beside_the_lists_are_ignored_and_planted_lists_refused) {
  const std::array<ByteView, 1> parts{as_bytes("junk")};
  ASSERT_TRUE(store_.create("keys/readme", parts));
  ASSERT_TRUE(store_.create("keys/0000000000000009.tmp", parts));
  EXPECT_TRUE(open(store_).has_value());
  ASSERT_TRUE(store_.create("keys/ffffffffffffffff", parts));
  EXPECT_EQ(code(open(store_)), ErrorCode::corrupt);
}

TEST_F(HostileTest, a_list_signed_by_anyone_but_the_owner_is_refused) {
  const auto content = add_agent("thief");
  const auto credential = *format::decode_agent_credential(content.view());
  const auto thief = crypto::SigningKey::from_seed(credential.signing_seed);
  format::KeyList list = decode(stored(2));
  list.header.number = 3;
  list.header.previous = vault_.keyring.pins().key_list_hash;
  BentStore bent(store_);
  bent.show(3, sign(list, thief));
  EXPECT_EQ(code(open(bent)), ErrorCode::corrupt) << "the owner's name, the thief's signature";

  list.header.owner = thief.public_key();
  for (auto& author : list.authors)
    if (author.role == format::AuthorRole::owner) author.verify_key = thief.public_key();
  std::erase_if(list.authors, [](const auto& author) { return author.role == format::AuthorRole::agent; });
  std::ranges::sort(list.authors, {}, &format::KeyListAuthor::verify_key);
  bent.show(3, sign(list, thief));
  ASSERT_TRUE(check_key_list(sign(list, thief)).has_value()) << "well signed, by another owner";
  EXPECT_EQ(code(open(bent, vault_.keyring.pins())), ErrorCode::corrupt);
  Pins only_vault{vault_.keyring.vault_id(), 0, {}};
  EXPECT_EQ(code(open(bent, only_vault)), ErrorCode::corrupt);
}

// Signed by the right owner, so that only what is inside can be wrong.
TEST_F(HostileTest, seals_that_were_moved_or_made_for_others_are_refused) {
  ASSERT_TRUE(vault_.keyring.add_recovery_key("kit", rng_, clock_).has_value());
  add_agent("one");
  add_agent("two");
  rotate(1);
  const Bytes newest = stored(5);
  MemStore other;
  const TestVault foreign = make_test_vault(other, rng_, clock_);
  const format::KeyList foreign_list = decode(*other.get(key_list_key(1), std::nullopt));
  const format::KeyList old_list = decode(stored(2));
  using Change = std::function<void(format::KeyList&)>;
  const std::vector<std::pair<std::string_view, Change>> changes{
      {"a slot's seal of another slot", [](auto& l) { l.slots[0].sealed_root = l.slots[1].sealed_root; }},
      {"a slot's seal of another vault", [&](auto& l) { l.slots[0].sealed_root = foreign_list.slots[0].sealed_root; }},
      {"a slot's seal of before", [&](auto& l) { l.slots[0].sealed_root = old_list.slots[0].sealed_root; }},
      {"an ephemeral key of small order", [](auto& l) { std::fill_n(l.slots[0].sealed_root.begin(), 32, std::byte{}); }},
      {"another root epoch", [](auto& l) { l.root_epoch += 1; }},
      {"owner secrets of before", [&](auto& l) { l.owner_secrets = old_list.owner_secrets; }},
      {"owner secrets of another vault", [&](auto& l) { l.owner_secrets = foreign_list.owner_secrets; }},
      {"no owner secrets", [](auto& l) { l.owner_secrets.clear(); }},
      {"areas exchanged", [](auto& l) { std::swap(l.domains[1].area, l.domains[2].area); }},
      {"an area of before", [&](auto& l) { l.domains[0].area = old_list.domains[0].area; }},
      {"an empty area", [](auto& l) { l.domains[1].area.clear(); }},
      {"another epoch of a domain", [](auto& l) { l.domains[1].epoch += 1; }},
      {"a domain less",
       [](auto& l) {
         l.domains.erase(l.domains.begin() + 1);
         std::erase_if(l.authors, [](auto& author) { return author.domain == 2; });
       }},
  };
  for (const auto& [name, change] : changes) {
    format::KeyList list = decode(newest);
    change(list);
    BentStore bent(store_);
    bent.show(5, sign(list, vault_.keyring.signing_key()));
    EXPECT_EQ(code(open(bent)), ErrorCode::corrupt) << name;
  }
}

TEST_F(HostileTest, an_agents_grant_of_another_agent_or_collector_is_refused) {
  const auto first = add_agent("first");
  add_agent("second", 2);
  add_agent("collector", {}, Role::collector);
  const Bytes newest = stored(4);
  const auto credential = *format::decode_agent_credential(first.view());
  const auto key = crypto::SigningKey::from_seed(credential.signing_seed).public_key();
  for (size_t other = 0; other < 4; ++other) {
    format::KeyList list = decode(newest);
    auto& ours = *std::ranges::find(list.authors, key, &format::KeyListAuthor::verify_key);
    if (list.authors[other].verify_key == key || list.authors[other].role == format::AuthorRole::owner) continue;
    ours.grant = list.authors[other].grant;
    BentStore bent(store_);
    bent.show(4, sign(list, vault_.keyring.signing_key()));
    Pins pins;
    pins.vault = vault_.keyring.vault_id();
    EXPECT_EQ(code(Keyring::open(bent, KeyFile{first.clone()}, pins)), ErrorCode::corrupt);
  }
}

TEST_F(HostileTest, a_recipient_of_small_order_gets_no_slot) {
  crypto::PublicKey32 one;
  one.value[0] = std::byte{1};
  EXPECT_EQ(code(vault_.keyring.add_recipient(one, "small", rng_, clock_)), ErrorCode::invalid);
  EXPECT_EQ(code(vault_.keyring.add_recipient({}, "zero", rng_, clock_)), ErrorCode::invalid);
  EXPECT_EQ(vault_.keyring.key_list_number(), 1u);
}

// Everything sealed in all lists, tried with every key a thief of the credential comes by, in every context there is.
class Thief {
 public:
  Thief(store::ObjectStore& store, const Keyring& ring, const crypto::SecretBytes& credential) {
    const auto text = *format::decode_agent_credential(credential.view());
    box_keys_.push_back(text.box_private_key.clone());
    box_keys_.push_back(text.signing_seed.clone());
    for (const DomainId id : ring.domains()) {
      const DomainKeys& keys = *ring.domain(id);
      own_domains_.insert(id);
      box_keys_.push_back(keys.id_key.clone());
      box_keys_.push_back(keys.cutter_key.clone());
      for (const EpochKeys& epoch : keys.epochs) box_keys_.push_back(epoch.metadata_key.clone());
    }
    vault_ = ring.vault_id();
    own_id_ = ring.self().id;
    for (uint64_t number = 1; number <= ring.key_list_number(); ++number) {
      const Bytes bytes = *store.get(key_list_key(number), std::nullopt);
      lists_.push_back(*format::decode_key_list(ByteView(bytes).first(bytes.size() - crypto::signature_size_bytes)));
    }
  }
  // What it can open that is not its own: must be empty.
  std::vector<std::string> loot() const {
    std::vector<std::string> found;
    const auto attempt = [&](std::string what, ByteView context, ByteView sealed) {
      for (const crypto::Secret32& key : box_keys_)
        if (crypto::open_box(key, context, sealed) || crypto::open_with(key, context, sealed)) found.push_back(what);
    };
    for (const format::KeyList& list : lists_) {
      for (const auto& slot : list.slots) attempt("slot", slot_context(vault_, slot.id, list.root_epoch), slot.sealed_root);
      attempt("owner secrets", owner_secrets_context(vault_, list.header.number), list.owner_secrets);
      for (const auto& domain : list.domains) {
        attempt("collector seal", collector_context(vault_, domain.id, domain.epoch), domain.collector_seal);
        if (!own_domains_.contains(domain.id))
          attempt("area " + std::to_string(domain.id), area_context(vault_, domain.id, domain.epoch), domain.area);
      }
      for (const auto& author : list.authors)
        if (author_id_of(author.verify_key) != own_id_ && !author.grant.empty())
          attempt("grant", grant_context(vault_, author_id_of(author.verify_key)), author.grant);
    }
    return found;
  }

 private:
  std::vector<crypto::Secret32> box_keys_;
  std::set<DomainId> own_domains_;
  std::vector<format::KeyList> lists_;
  VaultId vault_;
  AuthorId own_id_;
};

TEST_F(HostileTest, a_thief_with_an_agents_credential_and_the_store_opens_nothing_that_is_not_its_own) {
  const auto stolen = add_agent("stolen");
  add_agent("neighbour-secret-name");
  add_agent("collector", {}, Role::collector);
  rotate(2);
  const Keyring ring = open_test_vault(store_, KeyFile{stolen.clone()});
  EXPECT_EQ(Thief(store_, ring, stolen).loot(), std::vector<std::string>{});
  EXPECT_EQ(ring.domains(), std::vector<DomainId>{2});
  for (const EpochKeys& epoch : ring.domain(2)->epochs) EXPECT_FALSE(epoch.data_private.has_value());
  for (const Author& author : ring.authors()) EXPECT_TRUE(author.name.empty() || author.name == "stolen");
  for (const Slot& slot : ring.slots()) EXPECT_TRUE(slot.name.empty());
}

TEST_F(HostileTest, no_secret_and_no_name_stands_in_the_clear_in_any_list) {
  const auto credential = add_agent("name-of-an-agent");
  ASSERT_TRUE(vault_.keyring.add_recovery_key("name-of-a-slot", rng_, clock_).has_value());
  rotate(1);
  std::vector<Bytes> secrets{to_bytes("name-of-an-agent"), to_bytes("name-of-a-slot"), to_bytes("test-host"),
                             to_bytes(vault_.private_key.view()),
                             to_bytes(vault_.keyring.signing_key().seed().view())};
  for (const DomainId id : vault_.keyring.domains())
    for (const EpochKeys& epoch : vault_.keyring.domain(id)->epochs) {
      secrets.push_back(to_bytes(epoch.metadata_key.view()));
      secrets.push_back(to_bytes(epoch.data_private->view()));
      secrets.push_back(to_bytes(epoch.data_public.view()));
    }
  const auto in_credential = as_text(credential.view());
  for (const Bytes& secret : secrets) {
    for (uint64_t number = 1; number <= vault_.keyring.key_list_number(); ++number)
      EXPECT_EQ(as_text(stored(number)).find(as_text(secret)), std::string_view::npos);
    EXPECT_EQ(in_credential.find(to_hex(secret)), std::string_view::npos);
  }
}

TEST_F(HostileTest, a_removed_agent_and_a_removed_slot_open_no_later_list) {
  const auto removed = add_agent("removed");
  const crypto::BoxKeyPair pair = crypto::generate_box_keypair(rng_);
  const uint32_t slot = *vault_.keyring.add_recipient(pair.public_key, "removed", rng_, clock_);
  const Keyring before = open_test_vault(store_, KeyFile{removed.clone()});
  ASSERT_TRUE(vault_.keyring.remove_agent(before.self().id, rng_, clock_));
  ASSERT_TRUE(vault_.keyring.remove_slot(slot, rng_, clock_));
  Pins pins;
  EXPECT_EQ(code(Keyring::open(store_, KeyFile{removed.clone()}, pins)), ErrorCode::wrong_key);
  EXPECT_EQ(code(Keyring::open(store_, PrivateKey{pair.private_key.clone()}, pins)), ErrorCode::wrong_key);
  const format::KeyList last = decode(stored(vault_.keyring.key_list_number()));
  for (const auto& author : last.authors)
    EXPECT_EQ(author.removed, author.grant.empty() && author.role != format::AuthorRole::owner);
  const auto& area = last.domains[1];
  for (const EpochKeys& known : before.domain(2)->epochs)
    EXPECT_FALSE(crypto::open_with(known.metadata_key, area_context(before.vault_id(), 2, area.epoch), area.area));
}

TEST_F(HostileTest, an_unknown_outcome_of_storing_a_list_is_looked_up) {
  BentStore bent(store_);
  Keyring ring = open_test_vault(bent, vault_.credential());
  bent.on_create = [&](std::string_view key, std::span<const ByteView> parts) -> Status {
    EXPECT_TRUE(store_.create(key, parts));
    return Error(ErrorCode::io, "connection reset after the request");
  };
  EXPECT_TRUE(ring.rotate(rng_, clock_));
  EXPECT_EQ(ring.key_list_number(), 2u);
  bent.on_create = [](std::string_view, std::span<const ByteView>) -> Status {
    return Error(ErrorCode::io, "connection reset before the request");
  };
  EXPECT_EQ(code(ring.rotate(rng_, clock_)), ErrorCode::io);
  EXPECT_EQ(ring.key_list_number(), 2u);
  EXPECT_TRUE(open(store_).has_value());
  bent.on_create = nullptr;
  EXPECT_TRUE(ring.rotate(rng_, clock_));
  EXPECT_EQ(open(store_)->key_list_number(), 3u);
}

TEST_F(HostileTest, endless_conflicts_end_in_busy) {
  BentStore bent(store_);
  Keyring ring = open_test_vault(bent, vault_.credential());
  int attempts = 0;
  bent.on_create = [&](std::string_view key, std::span<const ByteView>) -> Status {
    ++attempts;
    return Error(ErrorCode::conflict, std::string(key));
  };
  EXPECT_EQ(code(ring.rotate(rng_, clock_)), ErrorCode::busy);
  EXPECT_EQ(attempts, 8);
  EXPECT_EQ(ring.key_list_number(), 1u);
}

}  // namespace
}  // namespace holdfast::vault
