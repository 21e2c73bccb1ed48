// SPDX-License-Identifier: Apache-2.0
#include "job/repair.h"

#include <algorithm>
#include <map>

#include "crypto/hash.h"
#include "job/collect.h"
#include "job/forget.h"
#include "job/testing.h"
#include "job/verify.h"
#include "store/decorator.h"

namespace holdfast::job {
namespace {

using testing::expect_content;
using testing::sample_tree;
using testing::TestBed;
using testing::TestTree;

// Reading one object goes wrong: whole, in part, or both, once or always.
class BadReads : public store::Decorator {
 public:
  BadReads(store::ObjectStore& store, std::string key) : Decorator(store::borrow(store)), key_(std::move(key)) {}
  std::optional<ErrorCode> whole, part, write;
  bool flips_once = false;

  Result<Bytes> get(std::string_view key, std::optional<store::Range> range) override {
    if (key == key_ && !range && whole) return Error(*whole, "get " + key_);
    auto bytes = Decorator::get(key, range);
    if (key == key_ && bytes && std::exchange(flips_once, false)) bytes->at(bytes->size() / 2) ^= std::byte{1};
    return bytes;
  }
  Status read(std::string_view key, uint64_t offset_bytes, MutableByteView out) override {
    if (key == key_ && part) return Error(*part, "read " + key_);
    return Decorator::read(key, offset_bytes, out);
  }
  Status create(std::string_view key, std::span<const ByteView> parts) override {
    if (write && key.starts_with("data/")) return Error(*write, "create " + std::string(key));
    return Decorator::create(key, parts);
  }

 private:
  const std::string key_;
};

class RepairTest : public ::testing::Test {
 protected:
  RepairReport repair(bool read_data = false, bool apply = true) {
    return repair_through(*bed_.reopen(bed_.store), read_data, apply);
  }
  RepairReport repair_through(vault::Vault& vault, bool read_data = true, bool apply = true) {
    auto report = run_repair(vault, {.apply = apply, .read_data = read_data, .stop = {}}, observer_);
    EXPECT_TRUE(report.has_value()) << report.error().message();
    return report ? *report : RepairReport{};
  }
  void flip_middle_of(const std::string& key) {
    Bytes bytes = *bed_.store.get(key, std::nullopt);
    bytes[bytes.size() / 2] ^= std::byte{1};
    ASSERT_TRUE(bed_.store.overwrite_for_test(key, bytes));
  }
  // One that holds the metadata keys alone.
  std::unique_ptr<vault::Vault> open_collector() {
    auto& owner = bed_.vault->keyring();
    auto file = owner.add_agent({.name = "gc", .share_domain = {}, .role = vault::Role::collector}, bed_.rng,
                                bed_.clock);
    EXPECT_TRUE(file.has_value());
    return std::make_unique<vault::Vault>(bed_.store,
                                          vault::open_test_vault(bed_.store, vault::KeyFile{std::move(*file)}),
                                          vault::LocalState{}, bed_.rng, bed_.clock);
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
  // The data pack with the most records: which of them share one hangs on the order in which threads came.
  std::string fullest_pack() {
    const auto vault = bed_.reopen(bed_.store);
    vault::Vault::Domain& domain = **vault->home();
    EXPECT_TRUE(domain.load_index());
    std::map<ObjectId, size_t> record_counts;
    for (const vault::TablePtr& table : domain.index().tables()) {
      const auto& view = table->view();
      for (size_t chunk = 0; chunk < view.chunk_count(); ++chunk) {
        ++record_counts[view.packs()[view.chunk(chunk).pack].id];
      }
    }
    const std::vector<std::string> packs = keys_of("data/");
    const auto count = [&](const std::string& key) { return record_counts[vault::parse_object_key(key)->id]; };
    const std::string fullest = *std::max_element(
        packs.begin(), packs.end(), [&](const auto& a, const auto& b) { return count(a) < count(b); });
    EXPECT_GT(count(fullest), 2u);
    return fullest;
  }
  TestBed bed_{51};
  SilentObserver observer_;
};

// docs/format.md 14.3, but for whoever sees the vault through a folder of his own.
TEST_F(RepairTest, nothing_is_repaired_where_a_later_version_may_have_forbidden_it) {
  bed_.backup({{"", testing::test_folder()}, {"f", testing::test_file(crypto::SeededRng(5).bytes(5000))}});
  for (const std::string& key : keys_of("index/")) ASSERT_TRUE(bed_.store.remove(key));
  bed_.add_record_of_kind(127);
  const auto before = bed_.keys();
  const auto refused = run_repair(*bed_.reopen(bed_.store), {.apply = true, .stop = {}}, observer_);
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code(), ErrorCode::unsupported);
  EXPECT_EQ(bed_.keys(), before);
  EXPECT_GT(repair(false, false).packs_indexed, 0u) << "what would be done is told";
  const auto in_copy = run_repair(*bed_.reopen(bed_.store), {.apply = true, .into_copy = true, .stop = {}}, observer_);
  ASSERT_TRUE(in_copy.has_value()) << in_copy.error().message();
  EXPECT_GT(in_copy->packs_indexed, 0u);
}

// One segment for all of a large vault would be one that nobody reads.
TEST_F(RepairTest, what_is_found_is_named_in_segments_of_the_usual_size) {
  const TestTree tree = sample_tree(1);
  const auto point = bed_.backup(tree);
  for (const std::string& key : keys_of("index/")) ASSERT_TRUE(bed_.store.remove(key));
  constexpr uint64_t size_bytes = 3'000;
  const auto report = run_repair(*bed_.reopen(bed_.store), {.apply = true, .segment_size_bytes = size_bytes, .stop = {}},
                                 observer_);
  ASSERT_TRUE(report.has_value()) << report.error().message();
  EXPECT_EQ(report->packs_indexed, report->packs);
  const auto segments = keys_of("index/");
  EXPECT_GT(segments.size(), 1u);
  EXPECT_LT(segments.size(), report->packs) << "several packs fit into one";
  EXPECT_EQ(verify().damage_count, 0u);
  expect_content(*bed_.reopen(bed_.store), point, tree);
}

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
  for (const std::string& key : segments) flip_middle_of(key);
  EXPECT_EQ(repair().segments_set_aside, segments.size());
  EXPECT_EQ(verify().damage_count, 0u);
  expect_content(*bed_.reopen(bed_.store), point, tree);
  EXPECT_TRUE(bed_.store.stat("quarantine/" + segments[0]));
}

// Fails to give the object from the so-manieth time on.
class FailsLater : public store::Decorator {
 public:
  FailsLater(store::ObjectStore& store, std::string key, int sound_count)
      : Decorator(store::borrow(store)), key_(std::move(key)), sound_left_(sound_count) {}
  Result<Bytes> get(std::string_view key, std::optional<store::Range> range) override {
    if (key == key_ && sound_left_-- <= 0) return Error(ErrorCode::io, "get " + key_);
    return Decorator::get(key, range);
  }

 private:
  const std::string key_;
  int sound_left_;
};

TEST_F(RepairTest, a_damaged_segment_that_cannot_be_kept_is_not_removed) {
  bed_.backup(sample_tree(13, 4));
  const std::string segment = keys_of("index/")[0];
  flip_middle_of(segment);
  for (int sound_count = 1; sound_count <= 2; ++sound_count) {
    FailsLater failing(bed_.store, segment, sound_count);
    const auto failed = run_repair(*bed_.reopen(failing), {.apply = true, .read_data = false, .stop = {}}, observer_);
    EXPECT_FALSE(failed.has_value()) << sound_count;
    EXPECT_TRUE(bed_.store.stat(segment)) << sound_count;
  }
  EXPECT_EQ(repair().segments_set_aside, 1u);
}

TEST_F(RepairTest, a_segment_that_others_can_open_stays) {
  const TestTree tree = sample_tree(14, 4), theirs = sample_tree(15, 4), newer = sample_tree(16, 4);
  const auto point = bed_.backup(tree);
  const auto keys = keys_of("index/");
  // It was opened before there was this agent, and this epoch.
  auto stale = bed_.reopen(bed_.store);
  auto& ring = bed_.vault->keyring();
  auto file = ring.add_agent({.name = "agent", .share_domain = vault::own_domain, .role = vault::Role::agent}, bed_.rng,
                             bed_.clock);
  ASSERT_TRUE(file.has_value());
  vault::Vault agent(bed_.store, vault::open_test_vault(bed_.store, vault::KeyFile{std::move(*file)}), {}, bed_.rng,
                     bed_.clock);
  const auto agents = bed_.backup_into(agent, theirs);
  ASSERT_TRUE(ring.rotate(bed_.rng, bed_.clock));
  bed_.vault = bed_.reopen(bed_.store);
  const auto later = bed_.backup(newer);
  // And a newer program has written this.
  const std::string good = keys[0];
  Bytes object = *bed_.store.get(good, std::nullopt);
  object.resize(object.size() - crypto::signature_size_bytes);
  object[0] = std::byte{2};
  append(object, bed_.vault->keyring().signing_key().sign("holdfast v1 index segment", crypto::hash(object)));
  const std::array<ByteView, 1> parts{ByteView(object)};
  ASSERT_TRUE(bed_.store.create(vault::segment_key(vault::own_domain, bed_.vault->keyring().self().id,
                                                   ObjectId::from(crypto::hash(object))), parts));
  const auto segments = keys_of("index/");
  ASSERT_EQ(segments.size(), 4u);
  const RepairReport report = repair_through(*stale, false);
  EXPECT_EQ(report.segments_set_aside, 0u);
  EXPECT_EQ(report.segments_unjudged, 3u);
  for (const std::string& key : segments) EXPECT_TRUE(bed_.store.stat(key)) << key;
  auto reader = bed_.reopen(bed_.store);
  expect_content(*reader, point, tree);
  expect_content(*reader, agents, theirs);
  expect_content(*reader, later, newer);
}

TEST_F(RepairTest, a_segment_that_nobody_wrote_who_may_is_set_aside) {
  const TestTree tree = sample_tree(17, 4);
  const auto point = bed_.backup(tree);
  const Bytes rubbish(500, std::byte{7});
  const std::array<ByteView, 1> parts{ByteView(rubbish)};
  const std::string key = vault::segment_key(vault::own_domain, bed_.vault->keyring().self().id,
                                             ObjectId::from(crypto::hash(rubbish)));
  ASSERT_TRUE(bed_.store.create(key, parts));
  EXPECT_EQ(repair().segments_set_aside, 1u);
  EXPECT_FALSE(bed_.store.stat(key));
  EXPECT_TRUE(bed_.store.stat("quarantine/" + key));
  expect_content(*bed_.reopen(bed_.store), point, tree);
}

TEST_F(RepairTest, what_still_opens_in_a_damaged_pack_is_saved_and_the_next_backup_heals_the_rest) {
  const TestTree tree = sample_tree(4);
  const auto point = bed_.backup(tree);
  for (const std::string& key : keys_of("data/")) flip_middle_of(key);
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

constexpr ErrorCode failures[] = {ErrorCode::io,     ErrorCode::busy,        ErrorCode::denied,   ErrorCode::refused,
                                  ErrorCode::unsupported, ErrorCode::cancelled, ErrorCode::internal};

TEST_F(RepairTest, a_pack_that_cannot_be_read_now_stays_where_it_is) {
  const TestTree tree = sample_tree(8);
  const auto point = bed_.backup(tree);
  BadReads bad(bed_.store, keys_of("data/")[0]);
  for (const ErrorCode code : failures) {
    bad.whole = code;
    const RepairReport report = repair_through(*bed_.reopen(bad));
    EXPECT_EQ(report.packs_unjudged, 1u) << to_string(code);
    EXPECT_EQ(report.packs_damaged, 0u);
    EXPECT_EQ(verify().damage_count, 0u) << to_string(code);
  }
  bad.whole = {};
  bad.flips_once = true;
  const RepairReport report = repair_through(*bed_.reopen(bad));
  EXPECT_EQ(report.packs_unjudged + report.packs_damaged, 0u);
  EXPECT_EQ(verify().damage_count, 0u);
  expect_content(*bed_.reopen(bed_.store), point, tree);
}

TEST_F(RepairTest, a_record_whose_origin_cannot_be_read_now_stays_where_it_is) {
  TestTree tree = sample_tree(9);
  bed_.backup(tree);
  for (auto& [path, file] : tree) {
    if (path.ends_with("5")) file = testing::test_file("another");
  }
  const auto point = bed_.backup(tree);
  ASSERT_TRUE(forget_points(*bed_.vault, {bed_.vault->points()->front().id}));
  const auto before = keys_of("data/");
  CollectRequest everything;
  everything.max_unused_percent = 0;
  ASSERT_GT(run_collect(*bed_.reopen(bed_.store), everything, observer_)->moved_bytes, 0u);
  size_t moved_count = 0;
  for (const std::string& key : keys_of("data/")) {
    if (std::find(before.begin(), before.end(), key) != before.end()) continue;
    ++moved_count;
    BadReads bad(bed_.store, key);
    for (const ErrorCode code : failures) {
      bad.part = code;
      EXPECT_EQ(repair_through(*bed_.reopen(bad)).packs_unjudged, 1u) << to_string(code);
      EXPECT_EQ(verify().damage_count, 0u) << to_string(code);
    }
  }
  EXPECT_GT(moved_count, 0u);
  expect_content(*bed_.reopen(bed_.store), point, tree);
}

TEST_F(RepairTest, of_a_pack_that_the_store_cannot_give_whole_the_parts_are_saved) {
  const TestTree tree = sample_tree(10);
  const auto point = bed_.backup(tree);
  const std::string pack = fullest_pack();
  BadReads bad(bed_.store, pack);
  bad.whole = ErrorCode::corrupt;
  const RepairReport report = repair_through(*bed_.reopen(bad));
  EXPECT_EQ(report.packs_damaged, 1u);
  EXPECT_EQ(report.records_lost, 0u);
  EXPECT_GT(report.records_salvaged, 1u);
  ASSERT_TRUE(bed_.store.remove(pack));
  expect_content(*bed_.reopen(bed_.store), point, tree);
}

TEST_F(RepairTest, nothing_leaves_the_index_before_what_was_saved_is_written) {
  const TestTree tree = sample_tree(11);
  bed_.backup(tree);
  flip_middle_of(fullest_pack());
  const uint64_t damaged = verify().damage_count;
  BadReads bad(bed_.store, "none");
  bad.write = ErrorCode::no_space;
  const auto keys = bed_.keys();
  const auto failed = run_repair(*bed_.reopen(bad), {.apply = true, .read_data = true, .stop = {}}, observer_);
  ASSERT_FALSE(failed.has_value());
  EXPECT_EQ(failed.error().code(), ErrorCode::no_space);
  EXPECT_EQ(bed_.keys(), keys);
  EXPECT_EQ(verify().damage_count, damaged);
}

TEST_F(RepairTest, what_a_collectors_key_cannot_judge_is_left_to_the_owner) {
  bed_.backup(sample_tree(12));
  const auto collector = open_collector();
  flip_middle_of(fullest_pack());
  const uint64_t damaged = verify().damage_count;
  const RepairReport left = repair_through(*collector);
  EXPECT_EQ(left.packs_unjudged, 1u);
  EXPECT_EQ(left.packs_damaged, 0u);
  EXPECT_EQ(verify().damage_count, damaged);
  const RepairReport report = repair(true);
  EXPECT_EQ(report.packs_damaged, 1u);
  EXPECT_EQ(report.records_lost, 1u);
  EXPECT_GT(report.records_salvaged, 1u);
}

}  // namespace
}  // namespace holdfast::job
