// SPDX-License-Identifier: Apache-2.0
#include "job/pack_demand.h"

#include <algorithm>

#include "job/restore.h"
#include "job/testing.h"
#include "store/decorator.h"
#include "target/testing.h"

namespace holdfast::job {
namespace {

using testing::test_file;
using testing::test_folder;
using testing::TestBed;
using testing::TestTree;

Bytes random_bytes(uint64_t seed, size_t size) { return crypto::SeededRng(seed).bytes(size); }

class PackDemandTest : public ::testing::Test {
 protected:
  PackDemandTest() {
    for (const char* folder : {"", "a", "b"}) tree_[folder] = test_folder();
    tree_["a/large"] = test_file(random_bytes(1, 900'000));
    tree_["b/large"] = test_file(random_bytes(2, 600'000));
    for (int number = 0; number < 40; ++number) {
      tree_["b/small" + std::to_string(number)] = test_file(random_bytes(100 + static_cast<uint64_t>(number), 2000));
    }
    tree_["b/twin"] = tree_["b/large"];
    point_ = bed_.backup(tree_);
  }
  std::map<std::string, store::PlannedRead> demand(EntryRange range) {
    auto measured = measure_demand(**bed_.vault->home(), point_, range, {});
    EXPECT_TRUE(measured.has_value()) << measured.error().message();
    return *std::move(measured);
  }
  static uint64_t wanted(const std::map<std::string, store::PlannedRead>& reads) {
    uint64_t bytes = 0;
    for (const auto& [key, read] : reads) bytes += read.wanted_bytes;
    return bytes;
  }
  TestBed bed_{31};
  TestTree tree_;
  vault::PointInfo point_;
};

TEST_F(PackDemandTest, all_of_a_point_wants_nearly_all_of_its_data_packs) {
  const auto reads = demand({});
  size_t stored_count = 0;
  for (const std::string& key : bed_.keys()) {
    if (!key.starts_with("data/")) continue;
    ++stored_count;
    ASSERT_TRUE(reads.contains(key)) << key;
    EXPECT_EQ(reads.at(key).size_bytes, bed_.store.stat(key)->size_bytes);
    EXPECT_LE(reads.at(key).wanted_bytes, reads.at(key).size_bytes);
  }
  EXPECT_EQ(reads.size(), stored_count);
  // What stands twice is read once, and random bytes do not shrink.
  EXPECT_GT(wanted(reads), 1'580'000u);
  EXPECT_LT(wanted(reads), 1'700'000u);
}

TEST_F(PackDemandTest, parts_want_what_they_hold) {
  const uint64_t a = wanted(demand({.beneath = *format::path_to_key("/a"), .wanted = {}}));
  EXPECT_GT(a, 890'000u);
  EXPECT_LT(a, 950'000u);
  const auto only_small = [](ByteView key) { return as_text(key).find("small7") != std::string_view::npos; };
  const auto small = demand({.beneath = {}, .wanted = only_small});
  EXPECT_EQ(small.size(), 1u);
  EXPECT_LT(wanted(small), 40'000u);  // One bundle.
  const EntryRange nowhere{.beneath = *format::path_to_key("/c"), .wanted = {}};
  EXPECT_EQ(measure_demand(**bed_.vault->home(), point_, nowhere, {}).error().code(), ErrorCode::not_found);
}

TEST_F(PackDemandTest, what_is_wanted_first_comes_first) {
  const auto all = demand({}), of_a = demand({.beneath = *format::path_to_key("/a"), .wanted = {}});
  std::set<uint64_t> places;
  for (const auto& [key, read] : all) places.insert(read.place);
  EXPECT_EQ(places.size(), all.size());
  EXPECT_LT(of_a.size(), all.size());
  for (const auto& [key, read] : of_a) EXPECT_LT(all.at(key).place, of_a.size());
}

// Remembers what it was told, and which packs of contents were read, in the order of their first parts.
class PlannedStore : public store::Decorator, public store::PlansReads {
 public:
  explicit PlannedStore(std::unique_ptr<store::ObjectStore> inner) : Decorator(std::move(inner)) {}
  void plan_reads(const std::map<std::string, store::PlannedRead>& reads) override {
    planned.resize(reads.size());
    for (const auto& [key, read] : reads) planned.at(read.place) = key;
  }
  Status read(std::string_view key, uint64_t offset_bytes, MutableByteView out) override {
    const std::string name(key);
    if (key.starts_with("data/") && std::find(read_keys.begin(), read_keys.end(), name) == read_keys.end()) {
      read_keys.push_back(name);
    }
    return Decorator::read(key, offset_bytes, out);
  }
  std::vector<std::string> planned, read_keys;
};

// Many small files, in more than one batch, with large ones among them.
TEST(PackDemand, a_restore_reads_packs_in_the_order_that_the_store_was_told) {
  TestBed bed(32);
  TestTree tree{{"", test_folder()}};
  for (int number = 0; number < 1800; ++number) {
    const size_t size = number % 100 == 50 ? 40'000 : 1500;
    tree["f" + std::to_string(10'000 + number)] = test_file(random_bytes(static_cast<uint64_t>(number), size));
  }
  const vault::PointInfo point = bed.backup(tree);
  PlannedStore store(bed.store.share());
  const auto vault = bed.reopen(store);
  target::MemoryTarget target(std::make_shared<target::MemoryTargetState>());
  SilentObserver observer;
  RestoreRequest request;
  request.worker_count = 1;
  const auto report = run_restore(*vault, point, target, request, observer);
  ASSERT_TRUE(report.has_value()) << report.error().message();
  EXPECT_GT(store.planned.size(), 10u);
  EXPECT_EQ(store.read_keys, store.planned);
}

TEST_F(PackDemandTest, a_stop_request_ends_it) {
  std::stop_source stop;
  stop.request_stop();
  EXPECT_EQ(measure_demand(**bed_.vault->home(), point_, {}, stop.get_token()).error().code(), ErrorCode::cancelled);
}

}  // namespace
}  // namespace holdfast::job
