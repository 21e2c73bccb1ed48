// SPDX-License-Identifier: Apache-2.0
#include "job/collect.h"
#include "job/forget.h"
#include "job/testing.h"
#include "job/thaw.h"
#include "job/verify.h"
#include "store/decorator.h"
#include "store/retention.h"

// Stores that lock what they are given, and stores that archive it.
namespace holdfast::job {
namespace {

using testing::sample_tree;
using testing::TestBed;
using testing::TestTree;

// Locks by the clock of the test; every object for ten days.
class LockingStore : public store::Decorator, public store::Retaining {
 public:
  LockingStore(store::ObjectStore& inner, Clock& clock) : Decorator(store::borrow(inner)), clock_(clock) {}
  Result<std::optional<store::RetentionTerms>> retention_terms() override {
    return std::optional(store::RetentionTerms{.mode = store::RetentionMode::compliance, .span = std::chrono::days(10)});
  }
  Result<store::Renewal> renew(std::span<const std::string> keys) override {
    store::Renewal renewal;
    for (const std::string& key : keys) {
      ++(inner().stat(key) ? renewal.renewed_count : renewal.missing_count);
      until[key] = clock_.now() + span_ns;
    }
    return renewal;
  }
  Status remove(std::string_view key) override {
    const auto lock = until.find(std::string(key));
    if (lock != until.end() && lock->second > clock_.now()) return Error(ErrorCode::refused, "locked");
    return inner().remove(key);
  }
  void lock_all(const std::vector<std::string>& keys) {
    for (const std::string& key : keys) {
      if (!key.starts_with("index/")) until.try_emplace(key, clock_.now() + span_ns);
    }
  }
  std::map<std::string, UnixTimeNs> until;

 private:
  static constexpr UnixTimeNs span_ns = 10ll * 86'400 * 1'000'000'000;
  Clock& clock_;
};

class TiersTest : public ::testing::Test {
 protected:
  CollectReport collect(vault::Vault& vault) {
    CollectRequest request;
    request.max_unused_percent = 0;
    auto report = run_collect(vault, request, observer_);
    EXPECT_TRUE(report.has_value()) << report.error().message();
    return report ? *std::move(report) : CollectReport{};
  }
  std::vector<std::string> packs() {
    std::vector<std::string> keys;
    for (const std::string& key : bed_.keys()) {
      if (key.starts_with("data/") || key.starts_with("meta/")) keys.push_back(key);
    }
    return keys;
  }
  TestBed bed_{77};
  SilentObserver observer_;
};

TEST_F(TiersTest, only_what_points_need_stays_locked_and_the_rest_goes_when_its_lock_has_ended) {
  LockingStore locking(bed_.store, bed_.clock);
  auto vault = bed_.reopen(locking);
  const TestTree kept_tree = sample_tree(1);
  const auto gone = bed_.backup_into(*vault, sample_tree(2));
  std::vector<std::string> of_gone = packs();
  std::erase_if(of_gone, [](const std::string& key) { return !key.starts_with("data/"); });  // Trees share nodes.
  const auto kept = bed_.backup_into(*vault, kept_tree);
  locking.lock_all(bed_.keys());
  ASSERT_TRUE(forget_points(*vault, {gone.id}));
  bed_.clock.sleep_for(std::chrono::hours(9 * 24));

  const UnixTimeNs begun = bed_.clock.now();
  CollectReport report = collect(*vault);
  EXPECT_EQ(report.purged_packs, 0u);
  EXPECT_GT(report.locked_packs, 0u);
  EXPECT_GT(report.renewed_locks, 0u);
  for (const std::string& key : of_gone) EXPECT_TRUE(bed_.store.stat(key).has_value()) << key;
  size_t renewed = 0;
  for (const auto& [key, until] : locking.until) renewed += until > begun + 9ll * 86'400 * 1'000'000'000 ? 1 : 0;
  EXPECT_EQ(renewed, report.renewed_locks);
  for (const std::string& key : of_gone) {
    EXPECT_LT(locking.until.at(key), begun + 2ll * 86'400 * 1'000'000'000) << key << " is needed by no point";
  }
  for (const std::string& key : bed_.keys()) {
    if (!key.starts_with("keys/")) continue;
    EXPECT_GT(locking.until.at(key), begun + 9ll * 86'400 * 1'000'000'000) << key;
  }

  bed_.clock.sleep_for(std::chrono::hours(2 * 24));
  report = collect(*vault);
  EXPECT_EQ(report.locked_packs, 0u);
  EXPECT_GE(report.purged_packs, of_gone.size());
  for (const std::string& key : of_gone) EXPECT_FALSE(bed_.store.stat(key).has_value()) << key;
  testing::expect_content(*bed_.reopen(bed_.store), kept, kept_tree);
}

// Archives every pack of contents; thawing takes until the test says so.
class ArchivedStore : public store::Decorator, public store::ArchivingStore {
 public:
  explicit ArchivedStore(store::ObjectStore& inner) : Decorator(store::borrow(inner)) {}
  Result<bool> may_archive() override { return true; }
  Result<std::vector<store::ArchivedObject>> find_archived(const std::set<std::string>& keys) override {
    std::vector<store::ArchivedObject> found;
    for (const std::string& key : keys) {
      if (!key.starts_with("data/")) continue;
      const uint64_t size_bytes = TRY(inner().stat(key)).size_bytes;
      store::ArchivedObject object{.key = key, .size_bytes = size_bytes, .storage_class = "GLACIER"};
      if (asked.contains(key)) object.state = are_there ? store::ThawState::thawed : store::ThawState::under_way;
      found.push_back(std::move(object));
    }
    return found;
  }
  Status thaw(const store::ArchivedObject& object, const store::ThawRequest&) override {
    if (asked.size() == asked_max) return Error(ErrorCode::io, "the line broke");
    EXPECT_TRUE(asked.insert(object.key).second) << object.key << " was asked for twice";
    return {};
  }
  std::set<std::string> asked;
  size_t asked_max = SIZE_MAX;
  bool are_there = false;
};

TEST_F(TiersTest, thawing_is_planned_asked_for_once_and_taken_up_again) {
  ArchivedStore archived(bed_.store);
  const auto point = bed_.backup(sample_tree(3, 300));
  auto vault = bed_.reopen(archived);
  const auto plan = [&] { return *plan_thaw(*vault, point, {}, ThawLook::always, {}); };
  const ThawPlan first = plan();
  const uint64_t all = first.count(store::ThawState::frozen);
  ASSERT_GT(all, 2u);
  EXPECT_FALSE(first.is_ready());
  EXPECT_TRUE(archived.asked.empty());

  archived.asked_max = 2;
  EXPECT_FALSE(run_thaw(*vault, first, {}, {}).has_value());
  archived.asked_max = SIZE_MAX;
  const ThawPlan second = plan();
  EXPECT_EQ(second.count(store::ThawState::under_way), 2u);
  const auto report = run_thaw(*vault, second, {}, {});
  ASSERT_TRUE(report.has_value());
  EXPECT_EQ(report->asked_count, all - 2);
  EXPECT_FALSE(plan().is_ready());
  archived.are_there = true;
  EXPECT_TRUE(plan().is_ready());
  EXPECT_EQ(run_thaw(*vault, plan(), {}, {})->asked_count, 0u);

  std::stop_source stop;
  stop.request_stop();
  EXPECT_EQ(run_thaw(*vault, first, {}, stop.get_token()).error().code(), ErrorCode::cancelled);
}

TEST_F(TiersTest, a_store_that_archives_nothing_has_nothing_to_thaw) {
  const auto point = bed_.backup(sample_tree(3));
  EXPECT_TRUE(plan_thaw(*bed_.vault, point, {}, ThawLook::if_likely, {})->is_ready());
  const auto plan = plan_thaw(*bed_.vault, point, {}, ThawLook::always, {});
  EXPECT_TRUE(plan->is_ready());
  EXPECT_FALSE(plan->packs.empty());
}

}  // namespace
}  // namespace holdfast::job
