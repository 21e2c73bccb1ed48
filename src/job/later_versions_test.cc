// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "base/newer.h"
#include "job/collect.h"
#include "job/forget.h"
#include "job/testing.h"
#include "store/decorator.h"

// What a later version of the program puts into a vault that this one shares with it (docs/format.md 14).
namespace holdfast::job {
namespace {

using testing::expect_content;
using testing::sample_tree;
using testing::TestBed;
using testing::TestTree;

// Adds a feature to the vault just before a log is listed, and sees what is done after that.
class FeatureStore final : public store::Decorator {
 public:
  FeatureStore(store::ObjectStore& store, const vault::Keyring& owner)
      : Decorator(store::borrow(store)), owner_(owner) {}
  void add_at(size_t looks) { looks_left_ = looks; }
  bool is_added() const { return is_added_; }
  const std::vector<std::string>& changed_after() const { return changed_after_; }

  Status list(std::string_view prefix, std::string_view after,
              const std::function<Status(const store::ObjectInfo&)>& visit) override {
    if (prefix.starts_with("log/") && looks_left_ > 0 && --looks_left_ == 0) {
      vault::add_feature_mark(inner(), owner_, 2 * 9);
      is_added_ = true;
    }
    return Decorator::list(prefix, after, visit);
  }
  Status create(std::string_view key, std::span<const ByteView> parts) override {
    note(key);
    return Decorator::create(key, parts);
  }
  Status remove(std::string_view key) override {
    note(key);
    return Decorator::remove(key);
  }

 private:
  void note(std::string_view key) {
    // The beginning and the end of a session change nothing.
    if (is_added_ && !key.starts_with("log/")) changed_after_.emplace_back(key);
  }
  const vault::Keyring& owner_;
  size_t looks_left_ = 0;
  bool is_added_ = false;
  std::vector<std::string> changed_after_;
};

class LaterVersionsTest : public ::testing::Test {
 protected:
  std::unique_ptr<vault::Vault> agent(std::string_view name, std::optional<vault::DomainId> share_domain) {
    auto file = bed_.vault->keyring().add_agent(
        {.name = std::string(name), .share_domain = share_domain, .role = vault::Role::agent}, bed_.rng, bed_.clock);
    EXPECT_TRUE(file.has_value());
    return std::make_unique<vault::Vault>(bed_.store,
                                          vault::open_test_vault(bed_.store, vault::KeyFile{std::move(*file)}),
                                          vault::LocalState{}, bed_.rng, bed_.clock);
  }
  // Beneath a prefix of the store.
  uint64_t stored_bytes(std::string_view prefix) {
    uint64_t sum = 0;
    EXPECT_TRUE(bed_.store.list(prefix, "", [&](const store::ObjectInfo& object) -> Status {
      sum += object.size_bytes;
      return {};
    }));
    return sum;
  }
  static CollectRequest eager() {
    CollectRequest request;
    request.max_unused_percent = 0;
    request.checkpoint_records = 1;
    return request;
  }
  TestBed bed_{71};
  SilentObserver observer_;
};

// Wherever in its course: nothing is written or removed once the log was read after that.
TEST_F(LaterVersionsTest, a_feature_added_meanwhile_ends_a_collection_before_its_next_change) {
  size_t met = 0;
  for (size_t look = 1;; ++look) {
    TestBed bed(80 + look);
    TestTree first = sample_tree(1, 12), second = sample_tree(2, 12);
    for (auto& [path, file] : first) {
      if (second.contains(path) && path.size() % 2 == 0) second[path] = file;
    }
    const auto forgotten = bed.backup(first);
    bed.backup(second);
    ASSERT_TRUE(forget_points(*bed.vault, {forgotten.id}));
    FeatureStore store(bed.store, bed.vault->keyring());
    const auto vault = bed.reopen(store);
    store.add_at(look);
    const auto report = run_collect(*vault, eager(), observer_);
    if (!store.is_added()) {
      ASSERT_TRUE(report) << report.error().message();
      EXPECT_GT(report->moved_bytes, 0u);
      EXPECT_GT(report->purged_packs, 0u);
      break;
    }
    ++met;
    ASSERT_FALSE(report) << "at look " << look;
    EXPECT_TRUE(is_made_by_newer(report.error())) << report.error().message();
    EXPECT_EQ(store.changed_after(), std::vector<std::string>()) << "at look " << look;
  }
  EXPECT_GE(met, 8u);
}

TEST_F(LaterVersionsTest, a_feature_added_meanwhile_keeps_a_backup_from_its_point) {
  const TestTree tree = sample_tree(3, 8);
  bed_.backup(tree);
  testing::TestSource source(tree);
  FeatureStore store(bed_.store, bed_.vault->keyring());
  const auto vault = bed_.reopen(store);
  store.add_at(2);  // When the session begins.
  BackupRequest request;
  request.host = "host";
  const auto report = run_backup(*vault, source, request, observer_);
  ASSERT_TRUE(store.is_added());
  ASSERT_FALSE(report);
  EXPECT_TRUE(is_made_by_newer(report.error())) << report.error().message();
  EXPECT_EQ((*bed_.vault->home())->log().points().size(), 1u);
}

// docs/format.md 14.3
TEST_F(LaterVersionsTest, a_collection_passes_over_the_domain_that_a_later_version_wrote_in) {
  const auto web = agent("web", std::nullopt);
  const vault::DomainId theirs = web->keyring().home_domain();
  ASSERT_NE(theirs, vault::own_domain);
  const TestTree tree = sample_tree(4, 12);
  for (vault::Vault* const through : {bed_.vault.get(), web.get()}) {
    const auto gone = bed_.backup_into(*through, sample_tree(5, 12));
    bed_.backup_into(*through, tree);
    const auto owner = bed_.reopen(bed_.store);
    ASSERT_TRUE(forget_points(*owner, {gone.id}));
  }
  bed_.vault = bed_.reopen(bed_.store);
  bed_.add_record_of_kind(15);
  const std::string ours_prefix = vault::pack_prefix(vault::PackKind::data, vault::own_domain);
  const std::string theirs_prefix = vault::pack_prefix(vault::PackKind::data, theirs);
  const uint64_t ours = stored_bytes(ours_prefix), of_theirs = stored_bytes(theirs_prefix);
  for (const bool dry_run : {true, false}) {
    CollectRequest request = eager();
    request.dry_run = dry_run;
    const auto report = run_collect(*bed_.reopen(bed_.store), request, observer_);
    ASSERT_TRUE(report) << report.error().message();
    ASSERT_EQ(report->refused.size(), 1u);
    EXPECT_EQ(report->refused[0].domain, vault::own_domain);
    EXPECT_TRUE(is_made_by_newer(report->refused[0].error)) << report->refused[0].error.message();
    EXPECT_GT(report->removed_packs + report->repacked_packs, 0u);
  }
  EXPECT_EQ(stored_bytes(ours_prefix), ours);
  EXPECT_LT(stored_bytes(theirs_prefix), of_theirs);
}

// The record comes when the collection is at work in that domain.
TEST_F(LaterVersionsTest, a_collection_passes_over_a_domain_that_a_later_version_begins_to_write_in) {
  class RecordStore final : public store::Decorator {
   public:
    RecordStore(TestBed& bed, size_t packs) : Decorator(store::borrow(bed.store)), bed_(bed), packs_left_(packs) {}
    Status create(std::string_view key, std::span<const ByteView> parts) override {
      if (key.starts_with("data/") && packs_left_ > 0 && --packs_left_ == 0) bed_.add_record_of_kind(15);
      return Decorator::create(key, parts);
    }

   private:
    TestBed& bed_;
    size_t packs_left_;
  };
  TestTree first = sample_tree(6, 12), second = sample_tree(7, 12);
  for (auto& [path, file] : first) {
    if (second.contains(path) && path.size() % 2 == 0) second[path] = file;
  }
  const auto forgotten = bed_.backup(first);
  const auto point = bed_.backup(second);
  ASSERT_TRUE(forget_points(*bed_.vault, {forgotten.id}));
  RecordStore store(bed_, 1);
  const uint64_t before = stored_bytes("data/");
  const auto report = run_collect(*bed_.reopen(store), eager(), observer_);
  ASSERT_TRUE(report) << report.error().message();
  ASSERT_EQ(report->refused.size(), 1u);
  EXPECT_TRUE(is_made_by_newer(report->refused[0].error));
  EXPECT_GE(stored_bytes("data/"), before);
  expect_content(*bed_.reopen(bed_.store), point, second);
}

}  // namespace
}  // namespace holdfast::job
