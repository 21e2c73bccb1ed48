// SPDX-License-Identifier: Apache-2.0
#include "vault/keyring.h"

#include <gtest/gtest.h>

#include "store/mem/mem_store.h"
#include "vault/key_draft.h"
#include "vault/log.h"
#include "vault/testing.h"

namespace holdfast::vault {
namespace {

using crypto::SeededRng;

class KeyringTest : public testing::Test {
 protected:
  Result<Keyring> open(const Credential& credential) {
    Pins pins;
    return Keyring::open(store_, credential, pins);
  }
  Keyring::Created create_with(std::string_view text) {
    CreateOptions options;
    options.first_slot = passphrase(text);
    options.kdf = cheap_kdf;
    options.author_name = "maker";
    auto created = Keyring::create(store_, std::move(options), rng_, clock_);
    EXPECT_TRUE(created.has_value());
    return *std::move(created);
  }
  Credential agent(Keyring& owner, std::string name, std::optional<DomainId> share = {}, Role role = Role::agent) {
    auto content = owner.add_agent({std::move(name), share, role}, rng_, clock_);
    EXPECT_TRUE(content.has_value());
    return KeyFile{*std::move(content)};
  }
  static ErrorCode code(const auto& result) { return result ? ErrorCode::internal : result.error().code(); }

  store::MemStore store_;
  SeededRng rng_{20261122};
  StillClock clock_;
};

TEST_F(KeyringTest, a_vault_opens_with_the_passphrase_it_was_made_with) {
  auto created = create_with("correct horse");
  EXPECT_FALSE(created.key_file.has_value());
  auto opened = open(passphrase("correct horse"));
  ASSERT_TRUE(opened.has_value()) << opened.error().message();
  EXPECT_EQ(opened->vault_id(), created.keyring.vault_id());
  EXPECT_EQ(opened->role(), Role::owner);
  EXPECT_EQ(opened->home_domain(), own_domain);
  EXPECT_EQ(opened->self().name, "maker");
  EXPECT_EQ(opened->created(), clock_.now());
  EXPECT_EQ(opened->domains(), std::vector<DomainId>{own_domain});
  EXPECT_TRUE(opened->can_read_content(own_domain));
  const DomainKeys& keys = *opened->domain(own_domain);
  const DomainKeys& made = *created.keyring.domain(own_domain);
  EXPECT_TRUE(keys.id_key == made.id_key && keys.cutter_key == made.cutter_key);
  EXPECT_TRUE(keys.current().metadata_key == made.current().metadata_key);
  EXPECT_EQ(crypto::box_public_key(*keys.current().data_private), keys.current().data_public);
  EXPECT_FALSE(keys.id_key.is_none() || keys.cutter_key.is_none() || keys.current().metadata_key.is_none());
}

TEST_F(KeyringTest, the_key_file_is_kept_before_there_is_a_vault_that_needs_it) {
  CreateOptions on_full_disk, options;
  on_full_disk.keep_key_file = [](const crypto::SecretBytes&) -> Status {
    return Error(ErrorCode::no_space, "disk full");
  };
  EXPECT_EQ(code(Keyring::create(store_, std::move(on_full_disk), rng_, clock_)), ErrorCode::no_space);
  EXPECT_EQ(code(open(passphrase("x"))), ErrorCode::not_found) << "there is no vault without its key";
  std::optional<KeyFile> kept;
  options.keep_key_file = [&](const crypto::SecretBytes& content) -> Status {
    kept = KeyFile{crypto::SecretBytes::from(content.view())};
    EXPECT_EQ(code(open(Credential(KeyFile{crypto::SecretBytes::from(content.view())}))), ErrorCode::not_found);
    return {};
  };
  const auto created = Keyring::create(store_, std::move(options), rng_, clock_);
  ASSERT_TRUE(created.has_value());
  const auto opened = open(Credential(*std::move(kept)));
  ASSERT_TRUE(opened.has_value()) << opened.error().message();
  EXPECT_EQ(opened->vault_id(), created->keyring.vault_id());
}

TEST_F(KeyringTest, a_wrong_passphrase_is_said_to_be_one) {
  create_with("correct horse");
  EXPECT_EQ(code(open(passphrase("correct hors"))), ErrorCode::wrong_key);
  EXPECT_EQ(code(open(PrivateKey{crypto::Secret32::random(rng_)})), ErrorCode::wrong_key);
}

TEST_F(KeyringTest, an_empty_store_holds_no_vault_and_a_second_create_says_conflict) {
  EXPECT_EQ(code(open(passphrase("x"))), ErrorCode::not_found);
  create_with("x");
  CreateOptions again;
  EXPECT_EQ(code(Keyring::create(store_, std::move(again), rng_, clock_)), ErrorCode::conflict);
}

TEST_F(KeyringTest, without_a_slot_asked_for_a_key_file_is_made) {
  auto created = Keyring::create(store_, {}, rng_, clock_);
  ASSERT_TRUE(created.has_value());
  ASSERT_TRUE(created->key_file.has_value());
  auto opened = open(KeyFile{created->key_file->clone()});
  ASSERT_TRUE(opened.has_value()) << opened.error().message();
  EXPECT_EQ(opened->slots().at(0).kind, SlotKind::key_file);
}

TEST_F(KeyringTest, a_vault_made_for_a_recipient_opens_with_the_recipients_key_only) {
  const crypto::BoxKeyPair pair = crypto::generate_box_keypair(rng_);
  CreateOptions options;
  options.recipient = pair.public_key;
  auto created = Keyring::create(store_, std::move(options), rng_, clock_);
  ASSERT_TRUE(created.has_value());
  EXPECT_FALSE(created->key_file.has_value());
  EXPECT_TRUE(created->keyring.add_recovery_key("kit", rng_, clock_).has_value());
  EXPECT_TRUE(created->keyring.rotate(rng_, clock_));
  EXPECT_TRUE(created->keyring.remove_slot(2, rng_, clock_));
  EXPECT_EQ(code(created->keyring.remove_slot(1, rng_, clock_)), ErrorCode::refused) << "the last one";
  EXPECT_TRUE(open(PrivateKey{pair.private_key.clone()}).has_value());
  EXPECT_EQ(code(open(PrivateKey{crypto::Secret32::random(rng_)})), ErrorCode::wrong_key);
}

TEST_F(KeyringTest, every_kind_of_slot_opens_the_same_vault_and_shows_its_name) {
  auto owner = create_with("one").keyring;
  const crypto::BoxKeyPair pair = crypto::generate_box_keypair(rng_);
  ASSERT_TRUE(owner.add_passphrase(crypto::SecretBytes::from(as_bytes("two")), "second", cheap_kdf, rng_, clock_));
  const auto recovery = owner.add_recovery_key("kit", rng_, clock_);
  const auto file = owner.add_key_file("file", rng_, clock_);
  ASSERT_TRUE(owner.add_recipient(pair.public_key, "friend", rng_, clock_).has_value());
  ASSERT_TRUE(recovery && file);
  std::vector<Credential> credentials;
  credentials.push_back(passphrase("one"));
  credentials.push_back(passphrase("two"));
  credentials.push_back(RecoveryKey{*recovery});
  credentials.push_back(KeyFile{file->clone()});
  credentials.push_back(PrivateKey{pair.private_key.clone()});
  for (const Credential& credential : credentials) {
    const auto opened = open(credential);
    ASSERT_TRUE(opened.has_value()) << credential.index() << ": " << opened.error().message();
    EXPECT_EQ(opened->key_list_number(), 5u);
    std::vector<std::string> names;
    for (const Slot& slot : opened->slots()) names.push_back(slot.name);
    EXPECT_EQ(names, (std::vector<std::string>{"first", "second", "kit", "file", "friend"}));
  }
}

TEST_F(KeyringTest, a_removed_slot_opens_no_more_and_new_epochs_are_unknown_to_it) {
  auto owner = create_with("one").keyring;
  ASSERT_TRUE(owner.add_passphrase(crypto::SecretBytes::from(as_bytes("two")), "second", cheap_kdf, rng_, clock_));
  auto removed = open(passphrase("two"));
  ASSERT_TRUE(removed.has_value());
  ASSERT_TRUE(owner.remove_slot(2, rng_, clock_));
  EXPECT_EQ(code(open(passphrase("two"))), ErrorCode::wrong_key);
  auto left = open(passphrase("one"));
  ASSERT_TRUE(left.has_value()) << left.error().message();
  const DomainKeys& keys = *left->domain(own_domain);
  ASSERT_EQ(keys.epochs.size(), 2u);
  const DomainKeys& old = *removed->domain(own_domain);
  EXPECT_EQ(old.epochs.size(), 1u);
  EXPECT_TRUE(keys.find(1)->metadata_key == old.find(1)->metadata_key);
  EXPECT_TRUE(*keys.find(1)->data_private == *old.find(1)->data_private);
  EXPECT_FALSE(keys.find(2)->metadata_key == old.find(1)->metadata_key);
  EXPECT_NE(keys.find(2)->data_public, old.find(1)->data_public);
  EXPECT_TRUE(keys.id_key == old.id_key && keys.cutter_key == old.cutter_key);
}

TEST_F(KeyringTest, the_slot_that_opened_the_vault_is_not_removed) {
  auto owner = create_with("one").keyring;
  EXPECT_EQ(code(owner.remove_slot(1, rng_, clock_)), ErrorCode::refused);
  EXPECT_EQ(code(owner.remove_slot(7, rng_, clock_)), ErrorCode::not_found);
  EXPECT_EQ(owner.key_list_number(), 1u);
}

TEST_F(KeyringTest, an_agent_holds_its_domain_without_data_private_keys) {
  auto owner = create_with("one").keyring;
  const Credential credential = agent(owner, "web-1");
  agent(owner, "web-2");
  auto opened = open(credential);
  ASSERT_TRUE(opened.has_value()) << opened.error().message();
  EXPECT_EQ(opened->role(), Role::agent);
  EXPECT_EQ(opened->home_domain(), 2u);
  EXPECT_EQ(opened->self().name, "web-1");
  EXPECT_EQ(opened->domains(), std::vector<DomainId>{2});
  EXPECT_FALSE(opened->can_read_content(2));
  EXPECT_EQ(opened->domain(own_domain), nullptr);
  const DomainKeys& keys = *opened->domain(2);
  EXPECT_EQ(keys.name, "web-1");
  const DomainKeys& of_owner = *owner.domain(2);
  EXPECT_TRUE(keys.id_key == of_owner.id_key && keys.cutter_key == of_owner.cutter_key);
  EXPECT_TRUE(keys.current().metadata_key == of_owner.current().metadata_key);
  EXPECT_EQ(keys.current().data_public, of_owner.current().data_public);
  EXPECT_EQ(owner.author(opened->self().id)->public_key, opened->signing_key().public_key());
}

TEST_F(KeyringTest, agents_follow_epochs_with_the_credential_they_have_until_removed) {
  auto owner = create_with("one").keyring;
  const Credential first = agent(owner, "first");
  const Credential second = agent(owner, "second", 2);
  ASSERT_TRUE(owner.rotate(rng_, clock_));
  const AuthorId gone = open(first)->self().id;
  ASSERT_TRUE(owner.remove_agent(gone, rng_, clock_));
  const auto refused = open(first);
  EXPECT_EQ(code(refused), ErrorCode::wrong_key);
  auto left = open(second);
  ASSERT_TRUE(left.has_value()) << left.error().message();
  const DomainKeys& keys = *left->domain(2);
  ASSERT_EQ(keys.epochs.size(), 3u);
  for (Epoch epoch = 1; epoch <= 3; ++epoch) {
    EXPECT_TRUE(keys.find(epoch)->metadata_key == owner.domain(2)->find(epoch)->metadata_key);
    EXPECT_EQ(keys.find(epoch)->data_public, owner.domain(2)->find(epoch)->data_public);
    EXPECT_FALSE(keys.find(epoch)->data_private.has_value());
  }
  EXPECT_EQ(owner.domain(own_domain)->epochs.size(), 2u);
}

TEST_F(KeyringTest, a_removed_author_counts_up_to_where_its_log_stood) {
  auto owner = create_with("one").keyring;
  const Credential credential = agent(owner, "web");
  const AuthorId id = open(credential)->self().id;
  const std::array<ByteView, 1> parts{as_bytes("record")};
  for (uint64_t number = 1; number <= 3; ++number) ASSERT_TRUE(store_.create(log_key(2, number), parts));
  EXPECT_TRUE(owner.author(id)->counts(2, 99));
  EXPECT_FALSE(owner.author(id)->counts(1, 1));
  ASSERT_TRUE(owner.remove_agent(id, rng_, clock_));
  const auto again = open(passphrase("one"));
  EXPECT_TRUE(again->author(id)->removed);
  EXPECT_EQ(again->author(id)->name, "web");
  EXPECT_TRUE(again->author(id)->counts(2, 3));
  EXPECT_FALSE(again->author(id)->counts(2, 4));
  EXPECT_EQ(code(owner.remove_agent(id, rng_, clock_)), ErrorCode::refused);
}

TEST_F(KeyringTest, a_collector_holds_metadata_keys_of_all_domains_old_and_new_and_nothing_else) {
  auto owner = create_with("one").keyring;
  agent(owner, "before");
  const Credential credential = agent(owner, "collector", {}, Role::collector);
  agent(owner, "after");
  ASSERT_TRUE(owner.rotate(rng_, clock_));
  auto opened = open(credential);
  ASSERT_TRUE(opened.has_value()) << opened.error().message();
  EXPECT_EQ(opened->role(), Role::collector);
  EXPECT_EQ(opened->domains(), (std::vector<DomainId>{1, 2, 3}));
  for (const DomainId id : opened->domains()) {
    const DomainKeys& keys = *opened->domain(id);
    EXPECT_FALSE(opened->can_read_content(id));
    EXPECT_TRUE(keys.id_key.is_none() && keys.cutter_key.is_none());
    for (const Epoch epoch : {1u, 2u})
      EXPECT_TRUE(keys.find(epoch)->metadata_key == owner.domain(id)->find(epoch)->metadata_key);
  }
  ASSERT_TRUE(owner.remove_agent(opened->self().id, rng_, clock_));
  EXPECT_EQ(code(open(credential)), ErrorCode::wrong_key);
  EXPECT_EQ(owner.domain(3)->epochs.size(), 3u);
}

TEST_F(KeyringTest, only_the_owner_changes_keys) {
  auto owner = create_with("one").keyring;
  auto agent_ring = open(agent(owner, "web"));
  ASSERT_TRUE(agent_ring.has_value());
  EXPECT_EQ(code(agent_ring->rotate(rng_, clock_)), ErrorCode::refused);
  EXPECT_EQ(code(agent_ring->add_recovery_key("kit", rng_, clock_)), ErrorCode::refused);
  EXPECT_EQ(code(agent_ring->add_agent({"x", {}, Role::agent}, rng_, clock_)), ErrorCode::refused);
  EXPECT_EQ(code(agent_ring->remove_slot(1, rng_, clock_)), ErrorCode::refused);
  EXPECT_EQ(code(owner.add_agent({"x", 99, Role::agent}, rng_, clock_)), ErrorCode::not_found);
  EXPECT_EQ(code(owner.add_agent({"x", {}, Role::owner}, rng_, clock_)), ErrorCode::invalid);
  EXPECT_EQ(code(owner.add_agent({"x\n", {}, Role::agent}, rng_, clock_)), ErrorCode::invalid);
}

TEST_F(KeyringTest, two_owners_who_change_keys_at_once_both_succeed) {
  auto one = create_with("one").keyring;
  auto other = open(passphrase("one"));
  ASSERT_TRUE(other.has_value());
  ASSERT_TRUE(one.add_recovery_key("a", rng_, clock_).has_value());
  ASSERT_TRUE(one.rotate(rng_, clock_));
  ASSERT_TRUE(other->add_recovery_key("b", rng_, clock_).has_value());
  EXPECT_EQ(other->key_list_number(), 4u);
  EXPECT_EQ(other->slots().size(), 3u);
  EXPECT_EQ(other->domain(own_domain)->epochs.size(), 2u);
}

// docs/format.md 14.1: what a later version's owner signs into the list.
TEST_F(KeyringTest, a_vault_with_a_feature_of_a_later_version_is_read_and_not_written_to) {
  TestVault made = make_test_vault(store_, rng_, clock_);
  Bytes stored = *store_.get(key_list_key(1), std::nullopt);
  const ByteView body = ByteView(stored).first(stored.size() - crypto::signature_size_bytes);
  format::KeyList list = *format::decode_key_list(body);
  auto draft = open_key_state(*check_key_list(stored), std::move(list), {made.private_key.clone(), {}, {}});
  ASSERT_TRUE(draft);
  draft->list.unknown_features = {7};
  const Bytes next = *finish_draft(*draft, clock_.now(), rng_);
  const std::array<ByteView, 1> parts{next};
  ASSERT_TRUE(store_.create(key_list_key(2), parts));

  auto opened = open(made.credential());
  ASSERT_TRUE(opened) << opened.error().message();
  EXPECT_EQ(opened->key_list_number(), 2u);
  EXPECT_EQ(code(opened->check_may_write()), ErrorCode::unsupported);
  EXPECT_EQ(code(opened->add_recovery_key("more", rng_, clock_)), ErrorCode::unsupported);
  EXPECT_EQ(code(opened->rotate(rng_, clock_)), ErrorCode::unsupported);
  DomainLog log(store_, *opened, own_domain, {});
  const auto begun = log.append(format::LogKind::session, format::encode(format::SessionBody{}), rng_, clock_,
                                [] { return Status(); });
  EXPECT_EQ(code(begun), ErrorCode::unsupported);
  EXPECT_FALSE(store_.stat(log_key(own_domain, 1)));
  // Whoever had it open before meets the new list when he goes to change a key.
  EXPECT_EQ(code(made.keyring.rotate(rng_, clock_)), ErrorCode::unsupported);
  EXPECT_FALSE(store_.stat(key_list_key(3)));
}

TEST_F(KeyringTest, pins_follow_the_newest_list) {
  auto owner = create_with("one").keyring;
  Pins pins;
  ASSERT_TRUE(Keyring::open(store_, passphrase("one"), pins).has_value());
  EXPECT_EQ(pins.key_list_number, 1u);
  EXPECT_EQ(*pins.vault, owner.vault_id());
  for (int round = 0; round < 5; ++round) ASSERT_TRUE(owner.rotate(rng_, clock_));
  ASSERT_TRUE(Keyring::open(store_, passphrase("one"), pins).has_value());
  EXPECT_EQ(pins.key_list_number, 6u);
  EXPECT_EQ(pins.key_list_hash, owner.pins().key_list_hash);
}

}  // namespace
}  // namespace holdfast::vault
