// SPDX-License-Identifier: Apache-2.0
#include "job/repair.h"

#include "job/collect.h"
#include "job/testing.h"
#include "job/verify.h"

namespace holdfast::job {
namespace {

using testing::expect_content;
using testing::sample_tree;
using testing::TestBed;
using testing::TestTree;

class RepairTest : public ::testing::Test {
 protected:
  RepairReport repair(bool read_data = false, bool apply = true) {
    auto vault = bed_.reopen(bed_.store);
    auto report = run_repair(*vault, {.apply = apply, .read_data = read_data, .stop = {}}, observer_);
    EXPECT_TRUE(report.has_value()) << report.error().message();
    return report ? *report : RepairReport{};
  }
  VerifyReport verify() {
    auto vault = bed_.reopen(bed_.store);
    VerifyRequest request;
    request.read_data = true;
    request.worker_count = 1;
    auto report = run_verify(*vault, request, observer_);
    EXPECT_TRUE(report.has_value()) << report.error().message();
    return report ? *std::move(report) : VerifyReport{};
  }
  std::vector<std::string> keys_of(std::string_view kind) {
    std::vector<std::string> found;
    for (const std::string& key : bed_.keys()) {
      if (key.starts_with(kind)) found.push_back(key);
    }
    return found;
  }
  TestBed bed_{51};
  SilentObserver observer_;
};

TEST_F(RepairTest, the_index_comes_back_from_packs_and_recovery_needs_nothing_but_vault_and_key) {
  const TestTree first_tree = sample_tree(1), second_tree = sample_tree(2);
  const auto first = bed_.backup(first_tree), second = bed_.backup(second_tree);
  for (const std::string& key : keys_of("index/")) ASSERT_TRUE(bed_.store.remove(key));
  EXPECT_GT(verify().damage_count, 0u);
  const RepairReport planned = repair(false, false);
  EXPECT_TRUE(keys_of("index/").empty());
  const RepairReport report = repair();
  EXPECT_EQ(report.packs_indexed, planned.packs_indexed);
  EXPECT_EQ(report.packs_indexed, report.packs);
  EXPECT_EQ(verify().damage_count, 0u);
  expect_content(*bed_.reopen(bed_.store), first, first_tree);
  expect_content(*bed_.reopen(bed_.store), second, second_tree);
  EXPECT_EQ(repair().packs_indexed, 0u);  // Nothing is left to do.
}

TEST_F(RepairTest, damaged_segments_are_set_aside_and_made_anew) {
  const TestTree tree = sample_tree(3);
  const auto point = bed_.backup(tree);
  const auto segments = keys_of("index/");
  for (const std::string& key : segments) {
    Bytes bytes = *bed_.store.get(key, std::nullopt);
    bytes[bytes.size() / 2] ^= std::byte{1};
    ASSERT_TRUE(bed_.store.overwrite_for_test(key, bytes));
  }
  EXPECT_EQ(repair().segments_set_aside, segments.size());
  EXPECT_EQ(verify().damage_count, 0u);
  expect_content(*bed_.reopen(bed_.store), point, tree);
  EXPECT_TRUE(bed_.store.stat("quarantine/" + segments[0]));
}

TEST_F(RepairTest, what_still_opens_in_a_damaged_pack_is_saved_and_the_next_backup_heals_the_rest) {
  const TestTree tree = sample_tree(4);
  const auto point = bed_.backup(tree);
  for (const std::string& key : keys_of("data/")) {
    Bytes bytes = *bed_.store.get(key, std::nullopt);
    bytes[bytes.size() / 2] ^= std::byte{1};
    ASSERT_TRUE(bed_.store.overwrite_for_test(key, bytes));
  }
  const uint64_t damaged = verify().damage_count;
  EXPECT_GT(damaged, 0u);
  const RepairReport report = repair(true);
  EXPECT_GT(report.packs_damaged, 0u);
  EXPECT_GT(report.records_salvaged, report.records_lost);
  EXPECT_GT(report.records_lost, 0u);
  // A collection keeps its hands off while points lack something.
  const auto refused = run_collect(*bed_.reopen(bed_.store), {}, observer_);
  ASSERT_TRUE(refused.has_value());
  EXPECT_EQ(refused->refused.size(), 1u);
  bed_.vault = bed_.reopen(bed_.store);
  const auto healing = bed_.backup(tree);
  EXPECT_LT(healing.point.stored_bytes, point.point.stored_bytes / 2);
  expect_content(*bed_.reopen(bed_.store), point, tree);
  expect_content(*bed_.reopen(bed_.store), healing, tree);
  // Then it removes what is damaged.
  const auto collected = run_collect(*bed_.reopen(bed_.store), {}, observer_);
  ASSERT_TRUE(collected.has_value());
  EXPECT_TRUE(collected->refused.empty()) << collected->refused[0].error.message();
  EXPECT_EQ(verify().damage_count, 0u);
  expect_content(*bed_.reopen(bed_.store), point, tree);
}

TEST_F(RepairTest, a_missing_pack_is_named_down_to_the_path_and_the_next_backup_stores_it_again) {
  const TestTree tree = sample_tree(5);
  const auto point = bed_.backup(tree);
  const auto packs = keys_of("data/");
  ASSERT_TRUE(bed_.store.remove(packs[0]));
  const VerifyReport found = verify();
  ASSERT_GT(found.damage_count, 1u);
  bool names_path = false;
  for (const Damage& damage : found.damage) {
    names_path |= !damage.path.empty() && damage.point == point.id && damage.chunk && damage.object_key == packs[0];
  }
  EXPECT_TRUE(names_path);  // Object, chunk, point and path.
  EXPECT_EQ(repair().packs_missing, 1u);
  bed_.vault = bed_.reopen(bed_.store);
  bed_.backup(tree);
  expect_content(*bed_.reopen(bed_.store), point, tree);
  // Now nothing needs the missing one any more.
  ASSERT_TRUE(run_collect(*bed_.reopen(bed_.store), {}, observer_).has_value());
  EXPECT_EQ(verify().damage_count, 0u);
  expect_content(*bed_.reopen(bed_.store), point, tree);
}

TEST_F(RepairTest, a_strangers_pack_is_not_taken_into_the_index) {
  const auto point = bed_.backup(sample_tree(6, 4));
  TestBed other(52);
  other.backup(sample_tree(7, 4));
  for (const std::string& key : other.keys()) {
    if (!key.starts_with("data/") && !key.starts_with("meta/")) continue;
    const Bytes bytes = *other.store.get(key, std::nullopt);
    const std::array<ByteView, 1> parts{ByteView(bytes)};
    ASSERT_TRUE(bed_.store.create(key, parts));
  }
  const RepairReport report = repair();
  EXPECT_EQ(report.packs_indexed, 0u);
  EXPECT_GT(report.packs_unreadable, 0u);
}

}  // namespace
}  // namespace holdfast::job
