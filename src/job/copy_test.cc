// SPDX-License-Identifier: Apache-2.0
#include "job/copy.h"

#include "job/forget.h"
#include "job/testing.h"
#include "job/verify.h"

namespace holdfast::job {
namespace {

using testing::expect_content;
using testing::sample_tree;
using testing::TestBed;
using testing::TestTree;

class CopyTest : public ::testing::Test {
 protected:
  CopyReport copy(std::vector<vault::PointInfo> points) {
    CopyRequest request;
    request.worker_count = 2;
    auto report = run_copy(*from_.reopen(from_.store), std::move(points), *to_.vault, request, observer_);
    EXPECT_TRUE(report.has_value()) << report.error().message();
    return report ? *std::move(report) : CopyReport{};
  }
  void expect_good(TestBed& bed) {
    auto vault = bed.reopen(bed.store);
    VerifyRequest request;
    request.read_data = true;
    auto report = run_verify(*vault, request, observer_);
    ASSERT_TRUE(report.has_value());
    EXPECT_EQ(report->damage_count, 0u) << report->damage.at(0).error.message();
  }
  TestBed from_{51};
  // Of other sizes: nothing in the copy depends on them.
  TestBed to_{52, {.pack_size_bytes = 512 << 10,
                   .chunk_size_bytes_mean = 16 << 10,
                   .small_file_size_bytes_max = 2 << 10,
                   .bundle_size_bytes = 32 << 10}};
  SilentObserver observer_;
};

TEST_F(CopyTest, copies_hold_the_same_entries_and_say_the_same_of_themselves) {
  BackupRequest about;
  about.host = "web1";
  about.tags = {"b", "a"};
  about.description = "before the move";
  const TestTree tree = sample_tree(1);
  const auto original = from_.backup(tree, about);
  const CopyReport report = copy({original});
  ASSERT_EQ(report.points.size(), 1u);
  EXPECT_FALSE(report.points[0].was_there);
  EXPECT_GT(report.stored_bytes, 0u);
  const vault::PointInfo& copied = report.points[0].to;
  EXPECT_EQ(copied.point.host, "web1");
  EXPECT_EQ(copied.point.tags, original.point.tags);
  EXPECT_EQ(copied.point.roots, original.point.roots);
  EXPECT_EQ(copied.point.begun, original.point.begun);
  EXPECT_EQ(copied.point.entry_count, original.point.entry_count);
  EXPECT_EQ(copied.point.description, original.point.description);
  EXPECT_NE(copied.point.entries.node, original.point.entries.node);  // Named by other keys.
  EXPECT_EQ(copied.point.state.entry_count, original.point.state.entry_count);
  expect_content(*to_.reopen(to_.store), copied, tree);
  expect_good(to_);
}

TEST_F(CopyTest, a_second_run_copies_only_what_is_new_and_of_that_only_what_differs) {
  TestTree tree = sample_tree(2);
  const auto first = from_.backup(tree);
  copy({first});
  tree["data/one_more"] = testing::test_file("one more");
  tree.erase("data/sparse");
  tree.erase("data/folder1/file1");
  const auto second = from_.backup(tree);
  const CopyReport report = copy({second, first});
  ASSERT_EQ(report.points.size(), 2u);
  EXPECT_EQ(report.points[0].from, first.id);
  EXPECT_TRUE(report.points[0].was_there);
  EXPECT_FALSE(report.points[1].was_there);
  EXPECT_EQ(report.read_bytes, 8u);
  expect_content(*to_.reopen(to_.store), report.points[1].to, tree);
  EXPECT_EQ(to_.vault->points()->size(), 2u);
  expect_good(to_);
}

TEST_F(CopyTest, contents_with_trees_of_their_own_come_over_whole) {
  crypto::SeededRng rng(3);
  TestTree tree{{"", testing::test_folder()}, {"big", testing::test_file(rng.bytes(3'000'000))}};
  const auto original = from_.backup(tree);
  const CopyReport report = copy({original});
  expect_content(*to_.reopen(to_.store), report.points.at(0).to, tree);
  expect_good(to_);
}

TEST_F(CopyTest, a_point_that_cannot_be_read_wholly_is_not_committed) {
  const auto original = from_.backup(sample_tree(4));
  for (const std::string& key : from_.keys()) {
    if (!key.starts_with("data/")) continue;
    Bytes bytes = *from_.store.get(key, std::nullopt);
    for (size_t offset = 1000; offset < bytes.size(); offset += 1000) bytes[offset] ^= std::byte{1};
    ASSERT_TRUE(from_.store.overwrite_for_test(key, bytes));
  }
  EXPECT_EQ(run_copy(*from_.vault, {original}, *to_.vault, {}, observer_).error().code(), ErrorCode::corrupt);
  EXPECT_TRUE(to_.vault->points()->empty());
  expect_good(to_);
}

TEST_F(CopyTest, a_stop_request_ends_it_without_a_point) {
  const auto original = from_.backup(sample_tree(5));
  std::stop_source stop;
  stop.request_stop();
  CopyRequest request;
  request.stop = stop.get_token();
  EXPECT_EQ(run_copy(*from_.vault, {original}, *to_.vault, request, observer_).error().code(), ErrorCode::cancelled);
  EXPECT_TRUE(to_.vault->points()->empty());
}

}  // namespace
}  // namespace holdfast::job
