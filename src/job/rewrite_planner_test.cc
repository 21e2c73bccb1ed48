// SPDX-License-Identifier: Apache-2.0
#include "job/rewrite_planner.h"

#include <gtest/gtest.h>

#include <map>
#include <set>

#include "job/testing.h"

namespace holdfast::job {
namespace {

using testing::TestSource;
using testing::TestTree;

// Versions of a tree of which every file is read again each time, whether it has changed or not.
class RewriteTest : public ::testing::Test {
 protected:
  // What a restore of the point reads, in pieces' bundles, against what it gives back; and the packs it needs.
  struct Cost {
    double amplification = 0;
    size_t pack_count = 0;
  };

  static TestTree small_files(crypto::SeededRng& rng) {
    TestTree tree;
    tree[""] = testing::test_folder();
    tree["data"] = testing::test_folder();
    for (int count = 0; count < 400; ++count) {
      tree["data/f" + std::to_string(count)] = testing::test_file(rng.bytes(200 + rng.below(3'500)));
    }
    return tree;
  }
  static void change(TestTree& tree, crypto::SeededRng& rng, uint64_t percent) {
    for (auto& [path, file] : tree) {
      if (file.attributes.type != format::FileType::regular) continue;
      file.attributes.modified.seconds += 1;
      if (rng.below(100) < percent) file.content = rng.bytes(file.content.size());
    }
  }
  BackupReport backup(const TestTree& tree, RewriteLimits limits) {
    // A new process each time: what the index says is all that it knows.
    auto vault = bed_.reopen(bed_.store);
    TestSource source(tree);
    BackupRequest request;
    request.host = "host";
    request.worker_count = 3;
    request.rewrite = limits;
    SilentObserver observer;
    auto report = run_backup(*vault, source, request, observer);
    EXPECT_TRUE(report.has_value()) << report.error().message();
    return report ? *report : BackupReport{};
  }
  Cost cost(const vault::PointInfo& point) {
    auto vault = bed_.reopen(bed_.store);
    vault::Vault::Domain& domain = **vault->home();
    EXPECT_TRUE(domain.load_index_once());
    auto walk = PointWalk::open(*vault, point);
    EXPECT_TRUE(walk.has_value());
    std::map<std::pair<ObjectId, uint32_t>, uint64_t> bundles;
    std::set<ObjectId> packs;
    uint64_t wanted = 0, read = 0;
    EXPECT_TRUE((*walk)->list("/", Depth::all, [&](const PathEntry& entry) -> Status {
      if (const auto* list = std::get_if<format::ContentInline>(&entry.content)) {
        for (const format::Extent& extent : list->extents) {
          packs.insert(domain.index().find_chunk(format::short_id(extent.chunk))->pack->id);
        }
      }
      const auto* piece = std::get_if<format::ContentPiece>(&entry.content);
      if (piece == nullptr) return {};
      const auto home = domain.index().find_piece(format::short_id(piece->piece));
      wanted += piece->size_bytes;
      bundles[{home->pack->id, home->offset_bytes}] = home->plain_size_bytes;
      packs.insert(home->pack->id);
      return {};
    }));
    for (const auto& [place, size_bytes] : bundles) read += size_bytes;
    return {wanted == 0 ? 0 : static_cast<double>(read) / static_cast<double>(wanted), packs.size()};
  }

  // Small enough for trees of a megabyte.
  static constexpr RewriteLimits small_limits{.budget_percent = 10, .overdraft_bytes = 16 << 10};
  static constexpr RewriteLimits none{.budget_percent = 0, .overdraft_bytes = 0};
  testing::TestBed bed_{77};
};

TEST_F(RewriteTest, the_newest_of_many_versions_reads_little_more_than_it_holds) {
  crypto::SeededRng rng(5);
  TestTree tree = small_files(rng);
  std::vector<std::pair<vault::PointInfo, TestTree>> points;
  for (int version = 0; version < 12; ++version) {
    const BackupReport report = backup(tree, small_limits);
    EXPECT_LE(report.rewritten_bytes, report.counts.read_bytes / 10 + (16 << 10)) << "version " << version;
    if (version == 0) {
      EXPECT_EQ(report.rewritten_bytes, 0u);
    }
    points.emplace_back(report.point, tree);
    change(tree, rng, 12);
  }
  EXPECT_LT(cost(points.back().first).amplification, 1.4);
  auto vault = bed_.reopen(bed_.store);
  for (const auto& [point, expected] : points) testing::expect_content(*vault, point, expected);
}

TEST_F(RewriteTest, without_a_budget_every_version_costs_more_than_the_one_before) {
  crypto::SeededRng rng(5);
  TestTree tree = small_files(rng);
  vault::PointInfo newest;
  for (int version = 0; version < 12; ++version) {
    const BackupReport report = backup(tree, none);
    EXPECT_EQ(report.rewritten_bytes, 0u);
    newest = report.point;
    change(tree, rng, 12);
  }
  EXPECT_GT(cost(newest).amplification, 1.6);
}

TEST_F(RewriteTest, what_is_not_scattered_is_not_stored_again) {
  crypto::SeededRng rng(6);
  TestTree tree = small_files(rng);
  (void)backup(tree, small_limits);
  for (int version = 0; version < 3; ++version) {
    change(tree, rng, 0);
    const BackupReport report = backup(tree, small_limits);
    EXPECT_EQ(report.rewritten_bytes, 0u);
    EXPECT_GT(report.counts.read_bytes, 0u);
  }
}

TEST_F(RewriteTest, chunks_of_packs_that_are_nearly_empty_get_a_new_home) {
  crypto::SeededRng rng(7);
  TestTree tree;
  tree[""] = testing::test_folder();
  // Of each of many large files one chunk stays as it was, beside the first version's other files that all go.
  for (int count = 0; count < 30; ++count) {
    tree["f" + std::to_string(count)] = testing::test_file(rng.bytes(150'000));
  }
  (void)backup(tree, small_limits);
  for (auto& [path, file] : tree) {
    if (file.content.size() < 20'000) continue;
    const Bytes fresh = rng.bytes(file.content.size() - 20'000);
    std::copy(fresh.begin(), fresh.end(), file.content.begin());
  }
  const vault::PointInfo second = backup(tree, none).point;
  const size_t pack_count_before = cost(second).pack_count;
  const BackupReport third = backup(tree, small_limits);
  EXPECT_GT(third.rewritten_bytes, 0u);
  EXPECT_LE(third.rewritten_bytes, third.counts.read_bytes / 10 + (16 << 10));
  EXPECT_LT(cost(third.point).pack_count, pack_count_before);
  auto vault = bed_.reopen(bed_.store);
  testing::expect_content(*vault, third.point, tree);
}

TEST_F(RewriteTest, with_little_room_for_bookkeeping_a_part_is_looked_at) {
  crypto::SeededRng rng(8);
  TestTree tree = small_files(rng);
  RewriteLimits limits = small_limits;
  limits.homes_max = 8;
  uint64_t rewritten_bytes = 0;
  vault::PointInfo newest;
  // Which part that is hangs on the packs' names, and so on chance.
  for (int version = 0; version < 8 || (rewritten_bytes == 0 && version < 60); ++version) {
    if (version > 0) change(tree, rng, 20);
    const BackupReport report = backup(tree, limits);
    rewritten_bytes += report.rewritten_bytes;
    newest = report.point;
  }
  EXPECT_GT(rewritten_bytes, 0u);
  auto vault = bed_.reopen(bed_.store);
  testing::expect_content(*vault, newest, tree);
}

TEST_F(RewriteTest, a_large_tree_is_looked_at_on_the_side) {
  crypto::SeededRng rng(9);
  TestTree tree = small_files(rng);
  RewriteLimits limits = small_limits;
  limits.entries_at_once_max = 0;
  vault::PointInfo newest;
  for (int version = 0; version < 6; ++version) {
    newest = backup(tree, limits).point;
    if (version < 5) change(tree, rng, 20);
  }
  auto vault = bed_.reopen(bed_.store);
  testing::expect_content(*vault, newest, tree);
}

}  // namespace
}  // namespace holdfast::job
