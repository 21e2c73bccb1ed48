// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <atomic>
#include <cstdlib>
#include <ctime>
#include <thread>

#include "job/collect.h"
#include "job/forget.h"
#include "job/mark.h"
#include "job/testing.h"
#include "job/undelete.h"
#include "store/decorator.h"
#include "tests/sim/trace_replay.h"

// Writers, collectors and people who forget and undelete, on one vault, each with a clock of its own that may be ten
// years off. Whatever one of them does in the store, the others may do any number of things first: it sleeps past them.
// Any of them may die at any call. One thread and one seed decide it all, so a failure comes back with its seed. (Writers
// store packs, and collections read those that they move, in threads of their own; those calls are not interfered with,
// and only their order is left to chance.)
//
// After every collection, and at the end, each live point must hold exactly what was backed up.
namespace holdfast::sim {
namespace {

using job::testing::expect_content;
using job::testing::TestBed;
using job::testing::TestTree;

constexpr int operations_a_seed = 14;
constexpr int depth_max = 3;

class Simulation;

// One client's view of the store.
class ClientStore : public store::Decorator {
 public:
  ClientStore(std::unique_ptr<store::ObjectStore> inner, Simulation& simulation, int depth)
      : Decorator(std::move(inner)), simulation_(simulation), depth_(depth), thread_(std::this_thread::get_id()) {}

  store::Capabilities capabilities() const override { return {.atomic_create = true, .locks = false}; }
  Status create(std::string_view key, std::span<const ByteView> parts) override {
    TRY_DO(before_call());
    TRY_DO(inner().create(key, parts));
    return before_call();  // Done, and it may never learn that.
  }
  Result<Bytes> get(std::string_view key, std::optional<store::Range> range) override {
    TRY_DO(before_call());
    return inner().get(key, range);
  }
  Status list(std::string_view prefix, std::string_view after,
              const std::function<Status(const store::ObjectInfo&)>& visit) override {
    TRY_DO(before_call());
    return inner().list(prefix, after, visit);
  }
  Status remove(std::string_view key) override {
    TRY_DO(before_call());
    return inner().remove(key);
  }

 private:
  Status before_call();

  Simulation& simulation_;
  const int depth_;
  const std::thread::id thread_;
  std::atomic<bool> dead_ = false;
};

struct Counts {
  uint64_t backups = 0, refused_backups = 0, collections = 0, overtaken = 0, purged_packs = 0, spared_packs = 0,
           forgets = 0, undeletes = 0, deaths = 0, checked_points = 0, replayed_records = 0;
};

class Simulation {
 public:
  Simulation(uint64_t seed, Counts& counts)
      : chance_(seed), bed_(seed, {.pack_size_bytes = 64 << 10,
                                                .chunk_size_bytes_mean = 4 << 10,
                                                .small_file_size_bytes_max = 1 << 10,
                                                .bundle_size_bytes = 4 << 10}),
        counts_(counts) {}

  void run() {
    for (int count = 0; count < operations_a_seed && !::testing::Test::HasFailure(); ++count) act(0);
    check();
    auto reader = bed_.reopen(bed_.store);
    TraceReplay replay(*reader);
    const auto wrong = replay.run();
    EXPECT_FALSE(wrong) << *wrong;
    EXPECT_GT(replay.steps(), 0u);
    counts_.replayed_records += replay.steps();
  }

  // Whether the caller dies now. Others may act first.
  bool interfere(int depth) {
    if (depth < depth_max && chance_.below(100) < 4) act(depth + 1);
    return chance_.below(1000) < 4;
  }
  void count_death() { ++counts_.deaths; }

 private:
  struct Client {
    std::unique_ptr<ClientStore> store;
    std::unique_ptr<vault::StillClock> clock;
    std::unique_ptr<job::testing::LockedRng> rng;
    std::unique_ptr<vault::Vault> vault;
  };
  // A process that starts: knows nothing but the key.
  Client client(int depth) {
    constexpr int64_t day_ns = 86'400ll * 1'000'000'000;
    const int64_t off_days = chance_.below(4) == 0 ? static_cast<int64_t>(chance_.below(7300)) - 3650 : 0;
    Client made;
    made.store = std::make_unique<ClientStore>(bed_.store.share(), *this, depth);
    made.clock = std::make_unique<vault::StillClock>(bed_.clock.now() + off_days * day_ns);
    made.rng = std::make_unique<job::testing::LockedRng>(chance_.below(UINT64_MAX));
    made.vault = std::make_unique<vault::Vault>(*made.store, vault::open_test_vault(bed_.store, bed_.credential()),
                                                vault::LocalState{}, *made.rng, *made.clock);
    return made;
  }
  TestTree random_tree() {
    TestTree tree;
    tree[""] = job::testing::test_folder();
    const uint64_t files = 1 + chance_.below(5);
    for (uint64_t count = 0; count < files; ++count) {
      // Of few contents, so that much is found, forgotten and found again.
      crypto::SeededRng content(chance_.below(12));
      const size_t size = content.below(2) == 0 ? 500 : 9000;
      tree["file" + std::to_string(count)] = job::testing::test_file(content.bytes(size));
    }
    return tree;
  }

  void act(int depth) {
    bed_.clock.sleep_for(std::chrono::hours(1 + chance_.below(200)));
    const uint64_t what = chance_.below(10);
    Client who = client(depth);
    if (what < 5) return backup(*who.vault);
    if (what < 7) return forget(*who.vault);
    if (what < 8) return undelete(*who.vault);
    collect(*who.vault);
    if (depth == 0) check();
  }

  void backup(vault::Vault& vault) {
    const TestTree tree = random_tree();
    job::testing::TestSource source(tree);
    job::BackupRequest request;
    request.host = "host" + std::to_string(chance_.below(2));
    request.ignore_parent = chance_.below(3) == 0;
    request.worker_count = 1;
    ++counts_.backups;
    const auto report = job::run_backup(vault, source, request, observer_);
    if (!report) {
      ++counts_.refused_backups;
      return;
    }
    // The source removes nothing, so what the parent held is there as well.
    const ObjectId& parent = report->point.point.parent;
    if (!parent.is_none() && !trees_.contains(parent)) return;
    TestTree expected = tree;
    if (!parent.is_none()) expected.insert(trees_.at(parent).begin(), trees_.at(parent).end());
    trees_[report->point.id] = std::move(expected);
  }
  void forget(vault::Vault& vault) {
    const auto points = vault.points();
    if (!points || points->empty()) return;
    ++counts_.forgets;
    job::forget_points(vault, {(*points)[chance_.below(points->size())].id}).ignore("it may die");
  }
  void undelete(vault::Vault& vault) {
    const auto points = job::forgotten_points(vault);
    if (!points || points->empty()) return;
    const Status back =
        job::undelete_points(vault, {(*points)[chance_.below(points->size())].info.id}, observer_, {});
    if (back) ++counts_.undeletes;
  }
  void collect(vault::Vault& vault) {
    job::CollectRequest request;
    request.max_unused_percent = chance_.below(2) == 0 ? 0 : 20;
    request.keep_deleted = std::chrono::hours(chance_.below(3) == 0 ? 24 * 14 : 0);
    request.fence = chance_.below(2) == 0 ? job::FencePolicy::all : job::FencePolicy::idle;
    request.checkpoint_records = 10;
    ++counts_.collections;
    const auto report = job::run_collect(vault, request, observer_);
    if (!report) return;
    counts_.purged_packs += report->purged_packs;
    counts_.spared_packs += report->spared_packs;
    // Others may purge each time that it looks; then it says so, and has harmed nothing.
    if (report->refused.empty()) return;
    ++counts_.overtaken;
    EXPECT_EQ(report->refused[0].error.code(), ErrorCode::changed) << report->refused[0].error.message();
  }
  // Reads every live point as a client would that knows nothing.
  void check() {
    auto reader = bed_.reopen(bed_.store);
    const auto points = reader->points();
    ASSERT_TRUE(points.has_value()) << points.error().message();
    EXPECT_TRUE(reader->alarms().empty()) << reader->alarms()[0];
    for (const vault::PointInfo& point : *points) {
      SCOPED_TRACE("point " + to_hex(point.id));
      const auto tree = trees_.find(point.id);
      if (tree == trees_.end()) {
        check_whole(*reader, point);
      } else {
        expect_content(*reader, point, tree->second);
      }
      ++counts_.checked_points;
      if (::testing::Test::HasFailure()) return;
    }
  }
  // Of a point whose writer died before it learnt of it: all must be readable.
  static void check_whole(vault::Vault& reader, const vault::PointInfo& point) {
    auto walk = job::PointWalk::open(reader, point);
    ASSERT_TRUE(walk.has_value()) << walk.error().message();
    const Status listed = (*walk)->list("/", job::Depth::all, [&](const job::PathEntry& entry) -> Status {
      return (*walk)->read(entry.content, 0, UINT64_MAX, [](ByteView) -> Status { return {}; });
    });
    EXPECT_TRUE(listed.has_value()) << listed.error().message();
  }

  crypto::SeededRng chance_;
  TestBed bed_;
  Counts& counts_;
  job::SilentObserver observer_;
  std::map<ObjectId, TestTree> trees_;
};

Status ClientStore::before_call() {
  const auto gone = [] { return Error(ErrorCode::cancelled, "the process died"); };
  if (dead_) return gone();
  if (std::this_thread::get_id() != thread_) return {};
  if (!simulation_.interfere(depth_)) return {};
  dead_ = true;
  simulation_.count_death();
  return gone();
}

uint64_t first_seed = 1, seed_count = 10;

constexpr uint64_t seed_count_min = 20;

// HOLDFAST_SIM_UNTIL, in seconds since 1970, ends it early: a run that has so much time only does what fits.
bool is_time_up() {
  const char* until = std::getenv("HOLDFAST_SIM_UNTIL");
  return until != nullptr && std::time(nullptr) >= std::strtoll(until, nullptr, 10);
}

TEST(CollectionSimulation, no_live_point_ever_lacks_a_chunk) {
  Counts counts;
  uint64_t done_count = 0;
  while (done_count < seed_count && !(done_count >= seed_count_min && is_time_up())) {
    const uint64_t seed = first_seed + done_count;
    SCOPED_TRACE("seed " + std::to_string(seed));
    Simulation(seed, counts).run();
    if (HasFailure()) break;
    ++done_count;
  }
  fmt::print("counts: {} of {} seeds: {} backups ({} refused), {} collections ({} overtaken), {} packs purged, {} spared, "
             "{} forgets, {} undeletes, {} deaths, {} points read, {} log records replayed in the model\n",
             done_count, seed_count, counts.backups, counts.refused_backups, counts.collections, counts.overtaken,
             counts.purged_packs, counts.spared_packs, counts.forgets, counts.undeletes, counts.deaths,
             counts.checked_points, counts.replayed_records);
  // A simulation in which nothing happens proves nothing.
  if (done_count < seed_count_min) return;
  EXPECT_GT(counts.purged_packs, done_count);
  EXPECT_GT(counts.undeletes, 0u);
  EXPECT_GT(counts.deaths, 0u);
  EXPECT_GT(counts.replayed_records, done_count * operations_a_seed);
}

}  // namespace
}  // namespace holdfast::sim

int main(int count, char** words) {
  ::testing::InitGoogleTest(&count, words);
  for (int at = 1; at + 1 < count; at += 2) {
    const std::string word = words[at];
    const uint64_t value = std::strtoull(words[at + 1], nullptr, 10);
    if (word == "--seed") holdfast::sim::first_seed = value, holdfast::sim::seed_count = 1;
    if (word == "--seeds") holdfast::sim::seed_count = value;
    if (word == "--first") holdfast::sim::first_seed = value;
  }
  return RUN_ALL_TESTS();
}
