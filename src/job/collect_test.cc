// SPDX-License-Identifier: Apache-2.0
#include "job/collect.h"

#include <limits>

#include "job/collect_plan.h"
#include "job/forget.h"
#include "job/index_merger.h"
#include "job/testing.h"
#include "job/undelete.h"
#include "job/vault_lock.h"
#include "job/verify.h"
#include "store/decorator.h"
#include "store/fault_store.h"
#include "vault/session.h"

namespace holdfast::job {
namespace {

using testing::expect_content;
using testing::sample_tree;
using testing::TestBed;
using testing::TestTree;

class CollectTest : public ::testing::Test {
 protected:
  CollectReport collect(vault::Vault& vault, CollectRequest request = {}) {
    auto report = run_collect(vault, request, observer_);
    EXPECT_TRUE(report.has_value()) << report.error().message();
    return report ? *std::move(report) : CollectReport{};
  }
  VerifyReport verify(store::ObjectStore& store) {
    auto vault = bed_.reopen(store);
    VerifyRequest request;
    request.read_data = true;
    request.worker_count = 1;
    auto report = run_verify(*vault, request, observer_);
    EXPECT_TRUE(report.has_value()) << report.error().message();
    if (!report) return {};
    EXPECT_EQ(report->damage_count, 0u)
        << report->damage.at(0).object_key << " " << report->damage.at(0).path << ": "
        << report->damage.at(0).error.message();
    return *std::move(report);
  }
  uint64_t stored_bytes() {
    uint64_t sum = 0;
    for (const std::string& key : bed_.keys()) {
      if (key.starts_with("data/") || key.starts_with("meta/")) sum += bed_.store.stat(key)->size_bytes;
    }
    return sum;
  }
  // Two trees that share about half their files.
  static std::pair<TestTree, TestTree> overlapping_trees(uint64_t seed) {
    TestTree first = sample_tree(seed), second = sample_tree(seed + 1000);
    size_t count = 0;
    for (const auto& [path, file] : first) {
      if (++count % 2 == 0 && second.contains(path)) second[path] = file;
    }
    return {first, second};
  }
  // Writes a segment by which all that is stored stands in packs that are not there, and nowhere newer. How many packs.
  size_t name_lost_packs() {
    const auto vault = bed_.reopen(bed_.store);
    vault::Vault::Domain& domain = **vault->home();
    EXPECT_TRUE(domain.log().refresh());
    EXPECT_TRUE(domain.reload_index());
    const LiveSet tables(domain.index());
    format::SegmentContents stale;
    for (size_t table = 0; table < tables.table_count(); ++table) {
      const format::SegmentView& view = tables.table(table).view();
      format::SegmentContents one;
      for (format::PackInfo pack : view.packs()) {
        pack.id.value[0] ^= std::byte{1};
        one.packs.push_back(pack);
      }
      for (size_t place = 0; place < view.chunk_count(); ++place) one.chunks.push_back(view.chunk(place));
      for (size_t place = 0; place < view.piece_count(); ++place) one.pieces.push_back(view.piece(place));
      append_contents(stale, one);
    }
    const size_t pack_count = stale.packs.size();
    EXPECT_GT(pack_count, 0u);
    stale.order = domain.log().head().number + 1;
    EXPECT_TRUE(write_segment(*vault, domain, std::move(stale)));
    return pack_count;
  }
  TestBed bed_{41};
  SilentObserver observer_;
};

TEST_F(CollectTest, what_no_point_needs_goes_and_the_rest_is_whole) {
  const auto [first_tree, second_tree] = overlapping_trees(1);
  const auto first = bed_.backup(first_tree), second = bed_.backup(second_tree);
  const uint64_t before = stored_bytes();
  CollectReport report = collect(*bed_.vault);
  EXPECT_EQ(report.removed_packs, 0u);
  EXPECT_EQ(stored_bytes(), before);

  ASSERT_TRUE(forget_points(*bed_.vault, {first.id}));
  CollectRequest dry;
  dry.dry_run = true;
  dry.max_unused_percent = 0;
  const auto keys = bed_.keys();
  const CollectReport planned = collect(*bed_.vault, dry);
  EXPECT_EQ(bed_.keys(), keys);
  CollectRequest all;
  all.max_unused_percent = 0;
  report = collect(*bed_.vault, all);
  EXPECT_EQ(report.repacked_packs, planned.repacked_packs);
  EXPECT_EQ(report.removed_packs, planned.removed_packs);
  EXPECT_GT(report.repacked_packs, 0u);
  EXPECT_LT(stored_bytes(), before * 3 / 4);
  verify(bed_.store);
  expect_content(*bed_.vault, second, second_tree);
  expect_content(*bed_.reopen(bed_.store), second, second_tree);
  EXPECT_EQ(collect(*bed_.vault, all).repacked_packs, 0u);  // Nothing is left to do.
}

TEST_F(CollectTest, moved_records_can_be_moved_again_and_be_built_upon) {
  std::map<ObjectId, TestTree> trees;
  TestTree tree = sample_tree(2);
  CollectRequest all;
  all.max_unused_percent = 0;
  int moving_rounds = 0;
  for (uint64_t round = 0; round < 6; ++round) {
    crypto::SeededRng rng(round);
    for (auto& [path, file] : tree) {
      if (file.attributes.type == format::FileType::regular && rng.below(2) == 0) {
        file = testing::test_file(rng.bytes(rng.below(30'000)));
      }
    }
    trees[bed_.backup(tree).id] = tree;
    if (round >= 1) {
      const auto points = *bed_.vault->points();
      ASSERT_TRUE(forget_points(*bed_.vault, {points.front().id}));
      if (collect(*bed_.vault, all).moved_bytes > 0) ++moving_rounds;
    }
    const auto left = *bed_.vault->points();
    for (const auto& point : left) {
      expect_content(*bed_.reopen(bed_.store), point, trees.at(point.id));
    }
    verify(bed_.store);
  }
  EXPECT_GE(moving_rounds, 3);
}

TEST_F(CollectTest, a_vault_without_points_becomes_empty_and_usable) {
  const TestTree tree = sample_tree(3);
  const auto point = bed_.backup(tree);
  ASSERT_TRUE(forget_points(*bed_.vault, {point.id}));
  collect(*bed_.vault);
  EXPECT_EQ(stored_bytes(), 0u);
  expect_content(*bed_.vault, bed_.backup(tree), tree);
  verify(bed_.store);
}

// Stops the store at each of its mutating calls in turn, as a kill there would, and at none in the end.
TEST_F(CollectTest, a_crash_at_any_mutating_call_leaves_a_good_vault) {
  const auto [first_tree, second_tree] = overlapping_trees(4);
  const auto first = bed_.backup(first_tree), second = bed_.backup(second_tree);
  for (uint64_t count = 0; count < 5; ++count) bed_.backup(sample_tree(100 + count, 3));
  const auto points = *bed_.vault->points();
  std::vector<ObjectId> forgotten{first.id};
  for (size_t place = 2; place < points.size(); place += 2) forgotten.push_back(points[place].id);
  ASSERT_TRUE(forget_points(*bed_.vault, forgotten));
  CollectRequest all;
  all.max_unused_percent = 0;
  for (const store::Fault fault : {store::Fault::fail, store::Fault::fail_late}) {
    for (const store::Operation operation : {store::Operation::create, store::Operation::remove}) {
      bool survived = false;
      for (uint64_t call = 1; !survived; ++call) {
        ASSERT_LT(call, 200u);
        store::MemStore copy;
        testing::copy_objects(bed_, copy);
        store::FaultPlan plan;
        constexpr uint64_t ever = std::numeric_limits<uint64_t>::max();
        plan.rules = {{operation, call, call, fault, ErrorCode::internal},
                      {operation, call + 1, ever, store::Fault::fail, ErrorCode::internal}};
        // After the fault nothing more is done by the other operation either: the caller gives up at once.
        store::FaultStore faulty(copy.share(), plan);
        auto vault = bed_.reopen(faulty);
        survived = run_collect(*vault, all, observer_).has_value();
        vault.reset();
        SCOPED_TRACE(::testing::Message() << "call " << call);
        verify(copy);
        expect_content(*bed_.reopen(copy), second, second_tree);
        auto again = bed_.reopen(copy);
        collect(*again, all);
        EXPECT_EQ(verify(copy).counts.orphan_packs, 0u);
        expect_content(*bed_.reopen(copy), second, second_tree);
        if (HasFailure()) return;
      }
    }
  }
}

TEST_F(CollectTest, many_segments_become_one) {
  std::vector<std::pair<vault::PointInfo, TestTree>> kept;
  for (uint64_t count = 0; count < 20; ++count) {
    const TestTree tree = sample_tree(200 + count, 2);
    kept.emplace_back(bed_.backup(tree), tree);
  }
  const CollectReport report = collect(*bed_.vault);
  EXPECT_EQ(report.segments_before, 20u);
  EXPECT_EQ(report.segments_after, 1u);
  EXPECT_LT(report.written_packs, report.repacked_packs);  // Small packs are put together.
  verify(bed_.store);
  for (const auto& [point, tree] : kept) expect_content(*bed_.reopen(bed_.store), point, tree);
}

TEST_F(CollectTest, a_session_at_work_is_waited_for_and_dead_ones_are_fenced) {
  const auto point = bed_.backup(sample_tree(9));
  ASSERT_TRUE(forget_points(*bed_.vault, {point.id}));
  auto writer = bed_.reopen(bed_.store);
  auto session = vault::Session::begin(*writer, **writer->home(), {.host = "host", .purpose = "backup"});
  ASSERT_TRUE(session.has_value());
  const uint64_t before = stored_bytes();
  for (int turn = 0; turn < 2; ++turn) {
    const CollectReport report = collect(*bed_.vault);
    EXPECT_EQ(report.fenced_sessions, 0u);
    EXPECT_EQ(report.awaited_sessions, 1u);
    EXPECT_EQ(report.purged_packs, 0u);
    EXPECT_GT(report.condemned_packs, 0u);
    EXPECT_EQ(stored_bytes(), before);
  }
  session->reset();  // Killed: its record stays.
  EXPECT_EQ(collect(*bed_.vault).fenced_sessions, 1u);
  EXPECT_EQ(stored_bytes(), 0u);
  EXPECT_EQ(collect(*bed_.vault).fenced_sessions, 0u);
}

// What a point of an old session leans on is condemned while it works: it is spared when the session has committed.
TEST_F(CollectTest, what_an_old_session_found_before_it_was_condemned_is_spared_once_it_commits) {
  const TestTree tree = sample_tree(10);
  const auto point = bed_.backup(tree);
  ASSERT_TRUE(forget_points(*bed_.vault, {point.id}));
  auto slow = bed_.reopen(bed_.store);
  testing::TestSource source(tree);
  BackupRequest request;
  request.host = "slow";
  request.ignore_parent = true;
  // The collection comes when the source has been read, before the commit.
  struct CollectingSource : testing::TestSource {
    CollectingSource(const TestTree& content, std::function<void()> act) : TestSource(content), collect(std::move(act)) {}
    Status finish() override {
      collect();
      return {};
    }
    std::function<void()> collect;
  } collecting(tree, [&] { EXPECT_GT(collect(*bed_.vault).condemned_packs, 0u); });
  const auto report = run_backup(*slow, collecting, request, observer_);
  ASSERT_TRUE(report.has_value()) << report.error().message();
  EXPECT_LT(report->point.point.stored_bytes, point.point.stored_bytes / 4);  // It was found.
  EXPECT_GT(collect(*bed_.vault).spared_packs, 0u);
  verify(bed_.store);
  expect_content(*bed_.reopen(bed_.store), report->point, tree);
}

TEST_F(CollectTest, a_fenced_session_does_not_commit_and_its_next_run_stores_again_what_went) {
  const TestTree tree = sample_tree(11);
  ASSERT_TRUE(forget_points(*bed_.vault, {bed_.backup(tree).id}));
  struct CollectingSource : testing::TestSource {
    CollectingSource(const TestTree& content, std::function<void()> act) : TestSource(content), collect(std::move(act)) {}
    Status finish() override {
      collect();
      return {};
    }
    std::function<void()> collect;
  } collecting(tree, [&] {
    CollectRequest all;
    all.fence = FencePolicy::all;
    EXPECT_EQ(collect(*bed_.vault, all).fenced_sessions, 1u);
  });
  auto slow = bed_.reopen(bed_.store);
  BackupRequest request;
  request.host = "slow";
  const auto fenced = run_backup(*slow, collecting, request, observer_);
  ASSERT_FALSE(fenced.has_value());
  EXPECT_EQ(fenced.error().code(), ErrorCode::busy) << fenced.error().message();
  const auto point = bed_.backup(tree);
  verify(bed_.store);
  expect_content(*bed_.reopen(bed_.store), point, tree);
}

TEST_F(CollectTest, a_session_that_begins_later_stores_condemned_chunks_again) {
  const TestTree tree = sample_tree(12);
  const auto first = bed_.backup(tree);
  ASSERT_TRUE(forget_points(*bed_.vault, {first.id}));
  CollectRequest keep;
  keep.keep_deleted = std::chrono::hours(24 * 14);
  EXPECT_GT(collect(*bed_.vault, keep).condemned_packs, 0u);
  const auto second = bed_.backup(tree);
  EXPECT_GE(second.point.stored_bytes, first.point.stored_bytes);
  EXPECT_GT(collect(*bed_.vault).purged_packs, 0u);
  verify(bed_.store);
  expect_content(*bed_.reopen(bed_.store), second, tree);
}

TEST_F(CollectTest, forgotten_points_come_back_until_their_bytes_are_purged) {
  const TestTree tree = sample_tree(13);
  const auto point = bed_.backup(tree);
  ASSERT_TRUE(forget_points(*bed_.vault, {point.id}));
  CollectRequest keep;
  keep.keep_deleted = std::chrono::hours(24 * 14);
  for (int day = 0; day < 13; ++day) {
    EXPECT_EQ(collect(*bed_.vault, keep).purged_packs, 0u);
    bed_.clock.sleep_for(std::chrono::hours(24));
  }
  ASSERT_EQ(forgotten_points(*bed_.vault)->size(), 1u);
  const Status back = undelete_points(*bed_.vault, {point.id}, observer_, {});
  ASSERT_TRUE(back) << back.error().message();
  expect_content(*bed_.reopen(bed_.store), point, tree);
  bed_.clock.sleep_for(std::chrono::hours(24 * 2));
  EXPECT_EQ(collect(*bed_.vault, keep).purged_packs, 0u);
  EXPECT_EQ(bed_.reopen(bed_.store)->points()->size(), 1u);
  verify(bed_.store);
  // And now for good.
  ASSERT_TRUE(forget_points(*bed_.vault, {point.id}));
  for (int day = 0; day < 16; ++day) {
    collect(*bed_.vault, keep);
    bed_.clock.sleep_for(std::chrono::hours(24));
  }
  EXPECT_EQ(stored_bytes(), 0u);
  EXPECT_EQ(undelete_points(*bed_.vault, {point.id}, observer_, {}).error().code(), ErrorCode::not_found);
}

TEST_F(CollectTest, a_clock_that_jumps_shortens_the_time_to_think_by_days_at_most) {
  ASSERT_TRUE(forget_points(*bed_.vault, {bed_.backup(sample_tree(14)).id}));
  CollectRequest keep;
  keep.keep_deleted = std::chrono::hours(24 * 14);
  collect(*bed_.vault, keep);
  bed_.clock.sleep_for(std::chrono::hours(24 * 3650));
  for (int turn = 0; turn < 5; ++turn) EXPECT_EQ(collect(*bed_.vault, keep).purged_packs, 0u);
  EXPECT_EQ(forgotten_points(*bed_.vault)->size(), 1u);
}

TEST_F(CollectTest, locked_and_held_points_are_refused) {
  const auto point = bed_.backup(sample_tree(15, 3));
  ASSERT_TRUE(set_vault_lock(*bed_.vault, {.mode = format::LockMode::governance, .days_min = 2}));
  EXPECT_EQ(forget_points(*bed_.vault, {point.id}).error().code(), ErrorCode::refused);
  ASSERT_TRUE(set_vault_lock(*bed_.vault, {}));
  ASSERT_TRUE(hold_points(*bed_.vault, "case", {point.id}, false));
  EXPECT_EQ(forget_points(*bed_.vault, {point.id}).error().code(), ErrorCode::refused);
  ASSERT_TRUE(hold_points(*bed_.vault, "case", {point.id}, true));
  EXPECT_TRUE(forget_points(*bed_.vault, {point.id}));
}

// A client that read log and index before a collection moved and removed packs finds everything where it is now.
class OpenReaderTest : public CollectTest {
 protected:
  void collect_beside_reader(uint64_t seed) {
    const auto [first_tree, second_tree] = overlapping_trees(seed);
    kept_tree_ = second_tree;
    const auto first = bed_.backup(first_tree);
    kept_ = bed_.backup(second_tree);
    reader_ = bed_.reopen(bed_.store);
    ASSERT_EQ(reader_->points()->size(), 2u);
    ASSERT_TRUE((**reader_->home()).load_index());
    ASSERT_TRUE(forget_points(*bed_.vault, {first.id}));
    CollectRequest all;
    all.max_unused_percent = 0;
    const CollectReport report = collect(*bed_.vault, all);
    ASSERT_GT(report.repacked_packs, 0u);
    ASSERT_EQ(report.condemned_packs, 0u);  // The old packs are gone.
  }
  TestTree kept_tree_;
  vault::PointInfo kept_;
  std::unique_ptr<vault::Vault> reader_;
};

TEST_F(OpenReaderTest, reads_on) {
  collect_beside_reader(19);
  expect_content(*reader_, kept_, kept_tree_);
}

// One that has read the log since, and the index not, passes over what is purged.
TEST_F(OpenReaderTest, that_knows_of_a_purge_finds_what_was_moved_before_it) {
  collect_beside_reader(22);
  ASSERT_EQ(reader_->points()->size(), 1u);
  expect_content(*reader_, kept_, kept_tree_);
}

// Removal of what begins so goes wrong.
class KeepsPacks : public store::Decorator {
 public:
  KeepsPacks(store::ObjectStore& store, ErrorCode code) : Decorator(store::borrow(store)), code_(code) {}
  Status remove(std::string_view key) override {
    if (key.starts_with("data/") || key.starts_with("meta/")) return Error(code_, "remove " + std::string(key));
    return Decorator::remove(key);
  }

 private:
  const ErrorCode code_;
};

TEST_F(CollectTest, a_collection_that_fails_or_is_stopped_is_waited_for_by_nobody) {
  ASSERT_TRUE(forget_points(*bed_.vault, {bed_.backup(sample_tree(23, 5)).id}));
  const auto sessions = [&] {
    auto vault = bed_.reopen(bed_.store);
    EXPECT_TRUE(vault->points());
    return (**vault->home()).log().sessions().size();
  };
  std::stop_source stop;
  stop.request_stop();
  CollectRequest stopped;
  stopped.stop = stop.get_token();
  EXPECT_EQ(run_collect(*bed_.reopen(bed_.store), stopped, observer_).error().code(), ErrorCode::cancelled);
  EXPECT_EQ(sessions(), 0u);
  KeepsPacks failing(bed_.store, ErrorCode::io);
  EXPECT_EQ(run_collect(*bed_.reopen(failing), {}, observer_).error().code(), ErrorCode::io);
  EXPECT_EQ(sessions(), 0u);
}

TEST_F(CollectTest, a_purged_pack_stays_known_while_a_lock_keeps_it) {
  ASSERT_TRUE(forget_points(*bed_.vault, {bed_.backup(sample_tree(24, 5)).id}));
  KeepsPacks locking(bed_.store, ErrorCode::refused);
  const auto purged_count = [&](store::ObjectStore& through) {
    // The log's clock counts so much between two records at most.
    auto vault = bed_.reopen(through);
    collect(*vault);
    return (**vault->home()).log().state().purged().size();
  };
  for (int days = 0; days <= 112; days += 8) {
    EXPECT_GT(purged_count(locking), 0u) << days;
    bed_.clock.sleep_for(std::chrono::hours(8 * 24));
  }
  EXPECT_GT(stored_bytes(), 0u);
  purged_count(bed_.store);
  EXPECT_EQ(stored_bytes(), 0u);
  EXPECT_EQ(purged_count(bed_.store), 0u);
}

// A collector looks for signs of life, just as the session begins.
TEST_F(CollectTest, a_session_that_could_not_show_that_it_lives_does_so_later) {
  auto looking = bed_.store.try_lock(store::LockMode::exclusive);
  ASSERT_TRUE(looking);
  auto session = vault::Session::begin(*bed_.vault, **bed_.vault->home(), {.host = "host", .purpose = "backup"});
  ASSERT_TRUE(session);
  looking->reset();
  {
    vault::Session::Worker worker(**session);
    ASSERT_TRUE(worker.put_chunk(as_bytes("a chunk")));
  }
  ASSERT_TRUE((*session)->flush());
  EXPECT_EQ(collect(*bed_.reopen(bed_.store)).fenced_sessions, 0u);
  const auto committed = (*session)->commit({});
  EXPECT_TRUE(committed) << committed.error().message();
}

// Refuses to store packs and segments; the log has its room.
class FullStore : public store::Decorator {
 public:
  explicit FullStore(std::unique_ptr<store::ObjectStore> inner) : Decorator(std::move(inner)) {}
  Status create(std::string_view key, std::span<const ByteView> parts) override {
    if (!key.starts_with("log/")) return Error(ErrorCode::no_space, "no space");
    return inner().create(key, parts);
  }
};

TEST_F(CollectTest, a_full_store_is_emptied_with_room_for_nothing_but_the_log) {
  const auto [first_tree, second_tree] = overlapping_trees(16);
  const auto first = bed_.backup(first_tree), second = bed_.backup(second_tree);
  for (uint64_t count = 0; count < 3; ++count) {
    ASSERT_TRUE(forget_points(*bed_.vault, {bed_.backup(sample_tree(300 + count)).id}));
  }
  ASSERT_TRUE(forget_points(*bed_.vault, {first.id}));
  const uint64_t before = stored_bytes();
  FullStore full(bed_.store.share());
  auto vault = bed_.reopen(full);
  CollectRequest all;
  all.max_unused_percent = 0;
  const CollectReport report = collect(*vault, all);
  EXPECT_TRUE(report.no_space);
  EXPECT_GT(report.purged_packs, 0u);
  EXPECT_LT(stored_bytes(), before);
  verify(bed_.store);
  expect_content(*bed_.reopen(bed_.store), second, second_tree);
  collect(*bed_.vault, all);  // With room again.
  verify(bed_.store);
  expect_content(*bed_.reopen(bed_.store), second, second_tree);
}

// Runs full with the second segment.
class FillingStore : public store::Decorator {
 public:
  explicit FillingStore(std::unique_ptr<store::ObjectStore> inner) : Decorator(std::move(inner)) {}
  Status create(std::string_view key, std::span<const ByteView> parts) override {
    if (segment_count_ == 1 && !key.starts_with("log/")) return Error(ErrorCode::no_space, "no space");
    if (key.starts_with("index/")) ++segment_count_;
    return inner().create(key, parts);
  }

 private:
  int segment_count_ = 0;
};

TEST_F(CollectTest, what_is_moved_is_named_in_segments_of_the_usual_size) {
  TestTree first_tree{{"", testing::test_folder()}}, second_tree = first_tree;
  crypto::SeededRng rng(21);
  for (int number = 0; number < 40; ++number) {  // Some ten packs, each of them partly in use.
    const std::string name = std::to_string(number);
    first_tree[name] = testing::test_file(rng.bytes(60'000));
    second_tree[name] = number % 2 == 0 ? first_tree[name] : testing::test_file(rng.bytes(60'000));
  }
  const auto first = bed_.backup(first_tree), second = bed_.backup(second_tree);
  ASSERT_TRUE(forget_points(*bed_.vault, {first.id}));
  CollectRequest request;
  request.max_unused_percent = 0;
  request.segment_size_bytes = 1;  // Each pack fills one.
  FillingStore filling(bed_.store.share());
  const CollectReport stopped = collect(*bed_.reopen(filling), request);
  EXPECT_TRUE(stopped.no_space);
  EXPECT_EQ(stopped.repacked_packs, 1u) << "what the first segment names has moved";
  verify(bed_.store);
  expect_content(*bed_.reopen(bed_.store), second, second_tree);

  const auto segment_count = [&] {
    const auto keys = bed_.keys();
    return std::count_if(keys.begin(), keys.end(), [](const auto& key) { return key.starts_with("index/"); });
  };
  const auto count_before = segment_count();
  request.keep_deleted = std::chrono::hours(1);  // Nothing is purged, so nothing is merged.
  const CollectReport report = collect(*bed_.reopen(bed_.store), request);
  EXPECT_GT(report.repacked_packs, 1u);
  EXPECT_EQ(segment_count() - count_before, static_cast<ptrdiff_t>(report.repacked_packs));
  verify(bed_.store);
  expect_content(*bed_.reopen(bed_.store), second, second_tree);
}

TEST_F(CollectTest, a_damaged_log_record_stops_collection_and_no_restore) {
  const TestTree tree = sample_tree(17, 5);
  bed_.backup(sample_tree(18, 5));
  const auto point = bed_.backup(tree);
  const std::string key = vault::log_key(vault::own_domain, 2);
  Bytes bytes = *bed_.store.get(key, std::nullopt);
  bytes[bytes.size() / 2] ^= std::byte{1};
  ASSERT_TRUE(bed_.store.overwrite_for_test(key, bytes));
  const uint64_t before = stored_bytes();
  CollectRequest careless;
  careless.accept_alarms = true;
  EXPECT_EQ(collect(*bed_.reopen(bed_.store), careless).refused.size(), 1u);
  EXPECT_EQ(stored_bytes(), before);
  auto reader = bed_.reopen(bed_.store);
  EXPECT_EQ(reader->points()->size(), 1u);
  EXPECT_FALSE(reader->alarms().empty());
  expect_content(*reader, point, tree);
}

// Rubbish at the log's end is no hole in it, but may have been a point: that a collection saw so must not be forgotten.
// docs/format.md 14.3: whether or not alarms are accepted, nothing is even moved, and it is not told as damage.
TEST_F(CollectTest, what_a_later_version_said_stops_a_collection_before_it_moves_anything) {
  const auto [first_tree, second_tree] = overlapping_trees(61);
  const auto first = bed_.backup(first_tree);
  bed_.backup(second_tree);
  ASSERT_TRUE(forget_points(*bed_.vault, {first.id}).has_value());
  auto file = bed_.vault->keyring().add_agent(
      {.name = "agent", .share_domain = vault::own_domain, .role = vault::Role::agent}, bed_.rng, bed_.clock);
  ASSERT_TRUE(file.has_value());
  vault::Vault agent(bed_.store, vault::open_test_vault(bed_.store, vault::KeyFile{std::move(*file)}), {}, bed_.rng,
                     bed_.clock);
  ASSERT_TRUE((*agent.home())->log().append(static_cast<format::LogKind>(127), {}, bed_.rng, bed_.clock,
                                            [] { return Status(); }));
  const uint64_t before = stored_bytes();
  for (const bool accepts : {false, true}) {
    CollectRequest request;
    request.accept_alarms = accepts;
    request.max_unused_percent = 0;
    request.keep_deleted = std::chrono::hours(0);
    const auto report = collect(*bed_.reopen(bed_.store), request);
    ASSERT_EQ(report.refused.size(), 1u);
    EXPECT_EQ(report.refused[0].error.code(), ErrorCode::unsupported) << report.refused[0].error.message();
    EXPECT_EQ(stored_bytes(), before);
  }
}

TEST_F(CollectTest, a_refused_collection_leaves_the_alarm_to_the_next_one) {
  const TestTree tree = sample_tree(20, 5);
  bed_.backup(sample_tree(21, 5));
  bed_.backup(tree);
  const std::string key = vault::log_key(vault::own_domain, (**bed_.vault->home()).log().head().number);
  Bytes bytes = *bed_.store.get(key, std::nullopt);
  bytes[bytes.size() / 2] ^= std::byte{1};
  ASSERT_TRUE(bed_.store.overwrite_for_test(key, bytes));
  const uint64_t before = stored_bytes();
  CollectRequest eager;
  eager.checkpoint_records = 1;
  for (int turn = 0; turn < 3; ++turn) {
    EXPECT_EQ(collect(*bed_.reopen(bed_.store), eager).refused.size(), 1u) << turn;
    EXPECT_EQ(stored_bytes(), before);
  }
  // Whoever has looked into it says so, and need not say it again.
  eager.accept_alarms = true;
  EXPECT_TRUE(collect(*bed_.reopen(bed_.store), eager).refused.empty());
  EXPECT_TRUE(collect(*bed_.reopen(bed_.store)).refused.empty());
}

TEST_F(CollectTest, a_damaged_point_stops_collection_of_its_domain_and_is_named) {
  const auto first = bed_.backup(sample_tree(5)), second = bed_.backup(sample_tree(6));
  ASSERT_TRUE(forget_points(*bed_.vault, {first.id}));
  std::string meta;
  for (const std::string& key : bed_.keys()) {
    if (key.starts_with("meta/")) meta = key;
  }
  Bytes bytes = *bed_.store.get(meta, std::nullopt);
  for (std::byte& byte : bytes) byte ^= std::byte{1};
  ASSERT_TRUE(bed_.store.overwrite_for_test(meta, bytes));
  for (const std::string& key : bed_.keys()) {
    if (!key.starts_with("meta/") || key == meta) continue;
    ASSERT_TRUE(bed_.store.remove(key));
  }
  const uint64_t before = stored_bytes();
  const CollectReport report = collect(*bed_.reopen(bed_.store));
  ASSERT_EQ(report.refused.size(), 1u);
  EXPECT_EQ(report.refused[0].domain, vault::own_domain);
  EXPECT_EQ(report.refused[0].point, second.id);
  EXPECT_EQ(stored_bytes(), before);
}

// A collector that slept for longer than purged packs stay known can name them again, as the newest home of all they
// held. It was lost or purged, and what it held stands elsewhere: that is in nobody's way.
TEST_F(CollectTest, packs_long_gone_that_a_segment_names_again_are_passed_over_and_leave_the_index) {
  const TestTree tree = sample_tree(22, 8);
  const auto point = bed_.backup(tree);
  const size_t stale_packs = name_lost_packs();

  VerifyRequest request;
  auto verified = run_verify(*bed_.reopen(bed_.store), request, observer_);
  ASSERT_TRUE(verified.has_value()) << verified.error().message();
  EXPECT_EQ(verified->damage_count, stale_packs);  // They are missing; no path is.
  ASSERT_TRUE(forget_points(*bed_.vault, {point.id}));
  const Status back = undelete_points(*bed_.reopen(bed_.store), {point.id}, observer_, {});
  EXPECT_TRUE(back.has_value()) << back.error().message();
  const CollectReport report = collect(*bed_.reopen(bed_.store));
  EXPECT_TRUE(report.refused.empty()) << report.refused[0].error.message();
  verify(bed_.store);
  expect_content(*bed_.reopen(bed_.store), point, tree);
}

// Does something when the first tree node is read.
class ActsOnRead : public store::Decorator {
 public:
  ActsOnRead(store::ObjectStore& store, std::function<void()> act)
      : Decorator(store::borrow(store)), act_(std::move(act)) {}
  Result<Bytes> get(std::string_view key, std::optional<store::Range> range) override {
    act_once(key);
    return inner().get(key, range);
  }
  Status read(std::string_view key, uint64_t offset_bytes, MutableByteView out) override {
    act_once(key);
    return inner().read(key, offset_bytes, out);
  }

 private:
  void act_once(std::string_view key) {
    if (!key.starts_with("meta/")) return;
    if (const auto act = std::exchange(act_, nullptr)) act();
  }
  std::function<void()> act_;
};

TEST_F(CollectTest, nor_do_they_if_the_segment_and_a_point_come_while_others_are_marked) {
  bed_.backup(sample_tree(23, 8));
  const TestTree tree = sample_tree(24, 8);
  vault::PointInfo point;
  ActsOnRead store(bed_.store, [&] {
    point = bed_.backup(tree);
    name_lost_packs();
  });
  const CollectReport report = collect(*bed_.reopen(store));
  EXPECT_TRUE(report.refused.empty()) << report.refused[0].error.message();
  EXPECT_EQ(report.spared_packs, 0u);  // Nothing in use was taken for dead.
  verify(bed_.store);
  expect_content(*bed_.reopen(bed_.store), point, tree);
}

TEST_F(CollectTest, what_a_point_leans_on_that_comes_while_others_are_marked_is_not_condemned) {
  const TestTree tree = sample_tree(25);
  ASSERT_TRUE(forget_points(*bed_.vault, {bed_.backup(tree).id}));
  bed_.backup(sample_tree(26, 8));
  vault::PointInfo point;
  ActsOnRead store(bed_.store, [&] { point = bed_.backup(tree); });
  const CollectReport report = collect(*bed_.reopen(store));
  EXPECT_TRUE(report.refused.empty()) << report.refused[0].error.message();
  EXPECT_EQ(report.spared_packs, 0u);
  EXPECT_EQ(report.purged_packs, 0u);
  expect_content(*bed_.reopen(bed_.store), point, tree);
}

// Does something before a collection records its purge, which it does second, and counts how often packs are listed from
// then on until it has recorded anything.
class ActsOnPurge : public store::Decorator {
 public:
  ActsOnPurge(store::ObjectStore& store, std::function<void()> act)
      : Decorator(store::borrow(store)), act_(std::move(act)) {}
  Status create(std::string_view key, std::span<const ByteView> parts) override {
    const bool is_record = key.starts_with("log/");
    if (is_record && record_count_ == 1) {
      if (const auto act = std::exchange(act_, nullptr)) act();
    }
    TRY_DO(inner().create(key, parts));
    if (is_record) ++record_count_;
    return {};
  }
  Status list(std::string_view prefix, std::string_view after,
              const std::function<Status(const store::ObjectInfo&)>& visit) override {
    if (prefix.starts_with("data/") && act_ == nullptr && record_count_ == 1) ++mark_count_;
    return inner().list(prefix, after, visit);
  }
  int mark_count() const { return mark_count_; }

 private:
  std::function<void()> act_;
  int record_count_ = 0, mark_count_ = 0;
};

// Each of them by itself, whether or not the marks would come out otherwise.
TEST_F(CollectTest, marks_are_made_anew_if_others_changed_before_the_purge_what_it_rests_on) {
  const auto append = [&](vault::Vault& rival, format::LogKind kind, const Bytes& body) {
    EXPECT_TRUE((**rival.home()).log().append(kind, body, bed_.rng, bed_.clock, [] { return Status(); }).has_value());
  };
  const auto condemned = [](vault::Vault& rival) {
    EXPECT_TRUE((**rival.home()).log().refresh());
    std::vector<format::PackName> packs;
    for (const auto& [id, pack] : (**rival.home()).log().state().condemned()) packs.push_back(pack.name);
    EXPECT_FALSE(packs.empty());
    return packs;
  };
  const auto ids = [](const std::vector<format::PackName>& packs) {
    format::PacksBody body;
    for (const format::PackName& pack : packs) body.packs.push_back(pack.id);
    return format::encode(body);
  };
  using Act = std::function<void(vault::Vault&)>;
  const std::map<std::string, Act> acts{
      {"others purged", [&](vault::Vault& rival) {
         format::PackName other = condemned(rival).front();
         other.id.value[0] ^= std::byte{1};
         append(rival, format::LogKind::condemn, format::encode(format::CondemnBody{{other}}));
         append(rival, format::LogKind::purge, ids({other}));
       }},
      {"spared", [&](vault::Vault& rival) { append(rival, format::LogKind::spare, ids(condemned(rival))); }},
      {"condemned anew", [&](vault::Vault& rival) {
         const auto packs = condemned(rival);
         append(rival, format::LogKind::spare, ids(packs));
         append(rival, format::LogKind::condemn, format::encode(format::CondemnBody{packs}));
       }},
      {"brought back", [&](vault::Vault& rival) {
         const Status back = undelete_points(rival, {forgotten_points(rival)->front().info.id}, observer_, {});
         EXPECT_TRUE(back) << back.error().message();
       }}};
  uint64_t seed = 31;
  for (const auto& [name, act] : acts) {
    SCOPED_TRACE(name);
    ASSERT_TRUE(forget_points(*bed_.vault, {bed_.backup(sample_tree(++seed, 5)).id}));
    auto writer = bed_.reopen(bed_.store);
    auto session = vault::Session::begin(*writer, **writer->home(), {.host = "host", .purpose = "backup"});
    ASSERT_TRUE(session.has_value());
    EXPECT_GT(collect(*bed_.vault).condemned_packs, 0u);
    ASSERT_TRUE((*session)->end());
    ActsOnPurge store(bed_.store, [&] { act(*bed_.reopen(bed_.store)); });
    EXPECT_TRUE(collect(*bed_.reopen(store)).refused.empty());
    EXPECT_EQ(store.mark_count(), 1);
    verify(bed_.store);
  }
}

// Does something each time that packs are listed, `count` times.
class ActsOnListing : public store::Decorator {
 public:
  ActsOnListing(store::ObjectStore& store, int count, std::function<void()> act)
      : Decorator(store::borrow(store)), count_(count), act_(std::move(act)) {}
  Status list(std::string_view prefix, std::string_view after,
              const std::function<Status(const store::ObjectInfo&)>& visit) override {
    if (prefix.starts_with("data/") && count_-- > 0) act_();
    return inner().list(prefix, after, visit);
  }

 private:
  int count_;
  std::function<void()> act_;
};

// It finds missing what no point needs any more, and says so as often as it may look again; that is no damage.
TEST_F(CollectTest, whoever_is_overtaken_by_purges_looks_again_and_at_last_says_so) {
  uint64_t seed = 40;
  for (const int overtaken_count : {3, 4}) {
    vault::PointInfo newest = bed_.backup(sample_tree(++seed, 5));
    ActsOnListing store(bed_.store, overtaken_count, [&] {
      const auto rival = bed_.reopen(bed_.store);
      ASSERT_TRUE(forget_points(*rival, {newest.id}));
      CollectRequest request;
      request.keep_deleted = {};
      request.fence = FencePolicy::all;
      const auto purged = run_collect(*rival, request, observer_);
      ASSERT_TRUE(purged.has_value()) << purged.error().message();
      EXPECT_GT(purged->purged_packs, 0u);
      newest = bed_.backup(sample_tree(++seed, 5));
    });
    const CollectReport report = collect(*bed_.reopen(store));
    ASSERT_EQ(report.refused.size(), overtaken_count == 4 ? 1u : 0u);
    for (const RefusedDomain& refused : report.refused) EXPECT_EQ(refused.error.code(), ErrorCode::changed);
    verify(bed_.store);
  }
}

// Of what two trees hold, all stands twice when both were backed up.
class MergeTest : public CollectTest {
 protected:
  MergeTest() { tree_[""] = testing::test_folder(); }
  void add_files(size_t count, size_t size_bytes) {
    for (; count > 0; --count) {
      tree_["file" + std::to_string(tree_.size())] = testing::test_file(random_.bytes(size_bytes));
    }
  }
  std::map<std::string, Bytes> data_packs() {
    std::map<std::string, Bytes> packs;
    for (const std::string& key : bed_.keys()) {
      if (key.starts_with("data/")) packs[key] = *bed_.store.get(key, std::nullopt);
    }
    return packs;
  }
  // Whichever home goes: which of them lives on is for the log to say, and for what may happen to them.
  void expect_whole_by_either_home(const TestTree& first_tree) {
    bed_.backup(first_tree);
    const auto first = data_packs();
    for (const auto& [key, bytes] : first) ASSERT_TRUE(bed_.store.remove(key));
    const auto point = bed_.backup_into(*bed_.reopen(bed_.store), tree_);  // Stored again.
    const auto second = data_packs();
    for (const auto& [key, bytes] : first) {
      const std::array<ByteView, 1> parts{ByteView(bytes)};
      ASSERT_TRUE(bed_.store.create(key, parts));
    }
    for (uint64_t count = 0; count < 18; ++count) bed_.backup(sample_tree(300 + count, 1));

    const auto vault = bed_.reopen(bed_.store);
    vault::Vault::Domain& domain = **vault->home();
    ASSERT_TRUE(domain.log().refresh());
    ASSERT_TRUE(domain.reload_index());
    const LiveSet tables(domain.index());
    IndexMerger merger(*vault, domain, tables);
    ASSERT_TRUE(merger.run(*domain.log().state().fates()));
    EXPECT_EQ(merger.removed_count(), 20u);
    for (const auto* lost : {&first, &second}) {
      store::MemStore copy;
      testing::copy_objects(bed_, copy);
      for (const auto& [key, bytes] : *lost) ASSERT_TRUE(copy.remove(key));
      expect_content(*bed_.reopen(copy), point, tree_);
    }
  }

  crypto::SeededRng random_{43};
  TestTree tree_;
};

TEST_F(MergeTest, keeps_each_home_of_a_chunk) {
  add_files(6, 20'000);
  expect_whole_by_either_home(tree_);
}

// Names and bundles differ, the contents are the same.
TEST_F(MergeTest, keeps_each_home_of_a_content_in_a_bundle) {
  add_files(6, 500);
  TestTree first_tree;
  for (const auto& [path, file] : tree_) first_tree[path.empty() ? path : "other" + path] = file;
  first_tree["more"] = testing::test_file("more");
  expect_whole_by_either_home(first_tree);
}

TEST_F(CollectTest, what_is_damaged_gets_no_new_name) {
  const auto [first_tree, second_tree] = overlapping_trees(28);
  const auto first = bed_.backup(first_tree);
  bed_.backup(second_tree);
  ASSERT_TRUE(forget_points(*bed_.vault, {first.id}));
  CollectRequest all;
  all.max_unused_percent = 0;
  std::set<std::string> damaged;
  for (const std::string& key : bed_.keys()) {
    if (!key.starts_with("data/")) continue;
    Bytes bytes = *bed_.store.get(key, std::nullopt);
    bytes[bytes.size() / 2] ^= std::byte{1};
    ASSERT_TRUE(bed_.store.overwrite_for_test(key, bytes));
    damaged.insert(key);
  }
  EXPECT_TRUE(collect(*bed_.reopen(bed_.store), all).refused.empty());
  EXPECT_GT(observer_.progress.problems.load(), 0u);
  for (const std::string& key : bed_.keys()) EXPECT_TRUE(!key.starts_with("data/") || damaged.contains(key)) << key;
}

// Whether or not a point leans on it: nobody knows what it knew.
TEST_F(CollectTest, a_damaged_segment_stops_collection) {
  ASSERT_TRUE(forget_points(*bed_.vault, {bed_.backup(sample_tree(7)).id}));
  std::string damaged;
  for (const std::string& key : bed_.keys()) {
    if (!key.starts_with("index/")) continue;
    damaged = key;
    Bytes bytes = *bed_.store.get(key, std::nullopt);
    bytes[bytes.size() / 2] ^= std::byte{1};
    ASSERT_TRUE(bed_.store.overwrite_for_test(key, bytes));
  }
  const TestTree tree = sample_tree(30, 8);
  const auto point = bed_.backup_into(*bed_.reopen(bed_.store), tree);
  const uint64_t before = stored_bytes();
  const CollectReport report = collect(*bed_.reopen(bed_.store));
  ASSERT_EQ(report.refused.size(), 1u);
  EXPECT_NE(report.refused[0].error.message().find(damaged), std::string::npos) << report.refused[0].error.message();
  EXPECT_EQ(stored_bytes(), before);
  expect_content(*bed_.reopen(bed_.store), point, tree);
}

TEST_F(CollectTest, collectors_need_no_data_keys_and_agents_are_refused) {
  const auto credential = [&](vault::Role role) {
    auto content = bed_.vault->keyring().add_agent(
        {.name = "helper",
         .share_domain = role == vault::Role::agent ? std::optional(vault::own_domain) : std::nullopt,
         .role = role},
        bed_.rng, bed_.clock);
    EXPECT_TRUE(content.has_value());
    return vault::KeyFile{std::move(*content)};
  };
  const auto [first_tree, second_tree] = overlapping_trees(8);
  const auto first = bed_.backup(first_tree), second = bed_.backup(second_tree);
  ASSERT_TRUE(forget_points(*bed_.vault, {first.id}));
  const uint64_t before = stored_bytes();
  vault::Vault agent(bed_.store, vault::open_test_vault(bed_.store, credential(vault::Role::agent)), {}, bed_.rng,
                     bed_.clock);
  EXPECT_EQ(run_collect(agent, {}, observer_).error().code(), ErrorCode::refused);
  vault::Vault collector(bed_.store, vault::open_test_vault(bed_.store, credential(vault::Role::collector)), {},
                         bed_.rng, bed_.clock);
  CollectRequest all;
  all.max_unused_percent = 0;
  const CollectReport report = collect(collector, all);
  EXPECT_TRUE(report.refused.empty()) << report.refused[0].error.message();
  EXPECT_GT(report.moved_bytes, 0u);
  EXPECT_LT(stored_bytes(), before);
  verify(bed_.store);
  expect_content(*bed_.reopen(bed_.store), second, second_tree);
}

}  // namespace
}  // namespace holdfast::job
