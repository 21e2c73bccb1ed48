// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>

#include <iostream>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "format/key_text.h"
#include "job/testing.h"
#include "job/verify.h"
#include "tests/hostile/craft.h"

// For tests only: a vault with an owner and two agents in domains of their own, and the thief of one agent's credential,
// who can also read, create, replace and delete any object of the store.
namespace holdfast::hostile {

using job::testing::TestBed;
using job::testing::TestTree;

// Contents that betray whose they are, small (bundled), compressible and large (chunked).
inline TestTree tree_of(const std::string& who, uint64_t seed) {
  crypto::SeededRng rng(seed);
  TestTree tree{{"", job::testing::test_folder()}, {who + "-home", job::testing::test_folder()}};
  std::string text;
  for (int line = 0; line < 40; ++line) text += who + "-secret-content line " + std::to_string(line) + "\n";
  tree[who + "-home/" + who + "-small"] = job::testing::test_file(text.substr(0, 300));
  tree[who + "-home/" + who + "-text"] = job::testing::test_file(text);
  Bytes large = rng.bytes(50'000);
  const Bytes mark = to_bytes(who + "-secret-content");
  std::copy(mark.begin(), mark.end(), large.begin() + 20'000);
  tree[who + "-home/" + who + "-large"] = job::testing::test_file(std::move(large));
  tree[who + "-home/" + who + "-other"] = job::testing::test_file(rng.bytes(2'000));
  return tree;
}

class ThiefTest : public ::testing::Test {
 protected:
  static constexpr vault::DomainId owner_domain = 1, thief_domain = 2, neighbour_domain = 3;

  ThiefTest() {
    stolen_ = add_agent("thief");
    neighbour_credential_ = add_agent("neighbour");
    bed_.vault = bed_.reopen(bed_.store);
    thief_ = open(stolen_);
    neighbour_ = open(neighbour_credential_);
    owner_point_ = bed_.backup(owner_tree_);
    neighbour_point_ = bed_.backup_into(*neighbour_, neighbour_tree_);
    thief_point_ = bed_.backup_into(*thief_, thief_tree_);
    // What the thief learns of the past, he has: all epochs until now.
    CHECK(bed_.vault->keyring().rotate(bed_.rng, bed_.clock).has_value());
    reopen_all();
    owner_late_point_ = bed_.backup(owner_late_tree_);
    bed_.backup_into(*thief_, tree_of("thief", 14));
  }

  crypto::SecretBytes add_agent(const char* name, std::optional<vault::DomainId> share = {}) {
    auto credential = bed_.vault->keyring().add_agent({name, share, vault::Role::agent}, bed_.rng, bed_.clock);
    CHECK(credential.has_value());
    return *std::move(credential);
  }
  std::unique_ptr<vault::Vault> open(const crypto::SecretBytes& credential) {
    return std::make_unique<vault::Vault>(
        bed_.store, vault::open_test_vault(bed_.store, vault::KeyFile{credential.clone()}), vault::LocalState{}, bed_.rng,
        bed_.clock);
  }
  void reopen_all() {
    bed_.vault = bed_.reopen(bed_.store);
    thief_ = open(stolen_);
    neighbour_ = open(neighbour_credential_);
  }

  const vault::Keyring& ring() const { return thief_->keyring(); }
  const vault::DomainKeys& thief_keys() const { return *ring().domain(thief_domain); }
  const vault::AuthorId& thief_id() const { return ring().self().id; }
  const vault::AuthorId& owner_id() const { return bed_.vault->keyring().self().id; }
  const vault::AuthorId& neighbour_id() const { return neighbour_->keyring().self().id; }

  // Every 32 bytes the thief has that might be a key.
  std::vector<crypto::Secret32> keys_at_hand() const {
    std::vector<crypto::Secret32> keys;
    const auto text = *format::decode_agent_credential(stolen_.view());
    keys.push_back(text.box_private_key.clone());
    keys.push_back(text.signing_seed.clone());
    keys.push_back(thief_keys().id_key.clone());
    keys.push_back(thief_keys().cutter_key.clone());
    for (const vault::EpochKeys& epoch : thief_keys().epochs) keys.push_back(epoch.metadata_key.clone());
    return keys;
  }

  Bytes stored(const std::string& key) {
    auto bytes = bed_.store.get(key, std::nullopt);
    CHECK(bytes.has_value());
    return *std::move(bytes);
  }
  void plant(const std::string& key, ByteView bytes) {
    const std::array<ByteView, 1> parts{bytes};
    const Status created = bed_.store.create(key, parts);
    ASSERT_TRUE(created.has_value()) << created.error().message();
    planted_.insert(key);
  }
  void unplant(const std::string& key) { ASSERT_TRUE(bed_.store.remove(key)); }
  std::vector<std::string> keys_with(const std::string& prefix) {
    std::vector<std::string> found;
    for (const std::string& key : bed_.keys()) {
      if (key.starts_with(prefix)) found.push_back(key);
    }
    return found;
  }

  job::VerifyReport verify() {
    auto fresh = bed_.reopen(bed_.store);
    job::VerifyRequest request;
    request.read_data = true;
    request.worker_count = 1;
    job::SilentObserver observer;
    auto report = job::run_verify(*fresh, request, observer);
    EXPECT_TRUE(report.has_value()) << report.error().message();
    return report ? *std::move(report) : job::VerifyReport{};
  }
  // Whether some damage names an object whose key begins so.
  static bool names(const job::VerifyReport& report, const std::string& prefix) {
    return std::any_of(report.damage.begin(), report.damage.end(),
                       [&](const job::Damage& damage) { return damage.object_key.starts_with(prefix); });
  }
  static std::string text_of(const job::VerifyReport& report) {
    std::string text;
    for (const job::Damage& damage : report.damage) {
      text += damage.object_key + " " + damage.path + ": " + damage.error.message() + "\n";
    }
    return text;
  }

  // Whatever was planted: the others' points are there, whole, and what they back up now can be relied on. The trees to
  // back up are new to them, and `known` to the thief.
  void expect_others_unharmed(const TestTree& known) {
    auto owner = bed_.reopen(bed_.store);
    auto neighbour = open(neighbour_credential_);
    job::testing::expect_content(*owner, owner_point_, owner_tree_);
    job::testing::expect_content(*owner, owner_late_point_, owner_late_tree_);
    job::testing::expect_content(*owner, neighbour_point_, neighbour_tree_);
    for (vault::Vault* victim : {owner.get(), neighbour.get()}) {
      const vault::PointInfo made = bed_.backup_into(*victim, known);
      auto reader = bed_.reopen(bed_.store);
      auto points = reader->points();
      ASSERT_TRUE(points.has_value()) << points.error().message();
      EXPECT_TRUE(std::any_of(points->begin(), points->end(),
                              [&](const vault::PointInfo& point) { return point.id == made.id; }));
      job::testing::expect_content(*reader, made, known);
    }
    const job::VerifyReport report = verify();
    for (const job::Damage& damage : report.damage) {
      // Alarms and refused objects may stand beneath any domain; points and paths may be hurt in the thief's alone.
      if (damage.point) {
        EXPECT_TRUE(is_thiefs(*damage.point)) << text_of(report);
      }
    }
  }
  bool is_thiefs(const ObjectId& point) {
    auto owner = bed_.reopen(bed_.store);
    vault::DomainLog& log = (*owner->domain(thief_domain))->log();
    return log.refresh() && log.points().contains(point);
  }
  void count_case() { ++case_count_; }
  void TearDown() override {
    std::cout << "counts: " << case_count_ << " attacks of a thief\n";
    RecordProperty("cases", static_cast<int>(case_count_));
  }

  TestBed bed_{31};
  crypto::SecretBytes stolen_, neighbour_credential_;
  std::unique_ptr<vault::Vault> thief_, neighbour_;
  const TestTree owner_tree_ = tree_of("owner", 11), owner_late_tree_ = tree_of("later", 15),
                 neighbour_tree_ = tree_of("neighbour", 12), thief_tree_ = tree_of("thief", 13);
  vault::PointInfo owner_point_, owner_late_point_, neighbour_point_, thief_point_;
  std::set<std::string> planted_;
  size_t case_count_ = 0;
};

}  // namespace holdfast::hostile
