// SPDX-License-Identifier: Apache-2.0
#include "job/scrub.h"

#include <gtest/gtest.h>

#include "base/hash_id.h"
#include "crypto/hash.h"
#include "store/fault_store.h"
#include "store/mem/mem_store.h"

namespace holdfast::job {
namespace {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;
using std::chrono::seconds;

// Every look at it takes some time.
class SteppingClock : public Clock {
 public:
  explicit SteppingClock(nanoseconds step) : step_(step) {}
  UnixTimeNs now() override { return time_.count(); }
  nanoseconds monotonic() override { return time_ += step_; }
  void sleep_for(nanoseconds duration) override {
    time_ += duration;
    slept_ += duration;
  }
  nanoseconds slept() const { return slept_; }

 private:
  const nanoseconds step_;
  nanoseconds time_{0};
  nanoseconds slept_{0};
};

std::string put_named(store::ObjectStore& store, std::string_view text) {
  const ByteView part = as_bytes(text);
  const std::string key = "data/" + to_hex(ByteView(crypto::hash(part)));
  EXPECT_TRUE(store.create(key, std::span(&part, 1)).has_value());
  return key;
}

TEST(Scrub, objects_that_are_not_what_their_names_say_are_listed) {
  store::MemStore store;
  SteppingClock clock(milliseconds(1));
  std::vector<std::string> keys;
  for (int i = 0; i < 50; ++i) keys.push_back(put_named(store, "object " + std::to_string(i)));
  std::sort(keys.begin(), keys.end());
  ASSERT_TRUE(store.overwrite_for_test(keys[7], as_bytes("decayed")).has_value());
  ASSERT_TRUE(store.overwrite_for_test(keys[33], as_bytes("")).has_value());
  const ScrubReport report = run_scrub(store, clock, {}).value();
  EXPECT_TRUE(report.is_complete);
  EXPECT_EQ(report.objects, 50u);
  ASSERT_EQ(report.lost.size(), 2u);
  EXPECT_EQ(report.lost[0].key, keys[7]);
  EXPECT_EQ(report.lost[1].key, keys[33]);
}

TEST(Scrub, many_short_runs_read_everything_once) {
  store::MemStore store;
  for (int i = 0; i < 40; ++i) put_named(store, "object " + std::to_string(i));
  ScrubLedger ledger;
  uint64_t objects = 0;
  int run_count = 0;
  for (bool is_complete = false; !is_complete; ++run_count) {
    SteppingClock clock(seconds(1));
    const ScrubReport report =
        run_scrub(store, clock, {.after = ledger.cursor(), .time_max = seconds(8)}).value();
    objects += report.objects;
    is_complete = report.is_complete;
    EXPECT_FALSE(ledger.all_verified_since().has_value());
    ledger.add({.time = 100 + run_count, .objects = report.objects, .lost_count = 0, .unread_count = 0,
                .after = ledger.cursor(), .up_to = is_complete ? "" : report.last_key});
    ASSERT_LT(run_count, 100);
  }
  EXPECT_EQ(objects, 40u);
  EXPECT_GT(run_count, 3);
  EXPECT_EQ(ledger.all_verified_since(), 100);
  EXPECT_EQ(ledger.cursor(), "");
}

TEST(Scrub, the_rate_is_kept) {
  store::MemStore store;
  for (int i = 0; i < 10; ++i) put_named(store, std::string(1000, static_cast<char>('a' + i)));
  SteppingClock clock(nanoseconds(0));
  const ScrubReport report = run_scrub(store, clock, {.bytes_per_second_max = 1000}).value();
  EXPECT_EQ(report.read_bytes, 10'000u);
  EXPECT_EQ(std::chrono::duration_cast<seconds>(clock.slept()), seconds(10));
}

// Examines by reading, so that faults of reads reach it.
class ReadStore : public store::FaultStore {
 public:
  using FaultStore::FaultStore;
  Result<store::Examination> examine(std::string_view key, store::Repair repair) override {
    return ObjectStore::examine(key, repair);
  }
};

struct FailingScrub {
  explicit FailingScrub(std::vector<store::FaultRule> rules) {
    auto objects = std::make_unique<store::MemStore>();
    for (int i = 0; i < 20; ++i) keys.push_back(put_named(*objects, "object " + std::to_string(i)));
    std::sort(keys.begin(), keys.end());
    store = std::make_unique<ReadStore>(std::move(objects), store::FaultPlan{.rules = std::move(rules)});
  }
  ScrubReport run() {
    SteppingClock clock(milliseconds(1));
    return run_scrub(*store, clock, {}).value();
  }
  std::vector<std::string> keys;
  std::unique_ptr<ReadStore> store;
};

store::FaultRule reads_fail(uint64_t first, uint64_t last, ErrorCode code) {
  return {.operation = store::Operation::read, .first = first, .last = last, .code = code};
}

TEST(Scrub, an_object_that_cannot_be_read_is_not_told_as_lost) {
  for (const ErrorCode code : {ErrorCode::io, ErrorCode::denied}) {
    FailingScrub scrub({reads_fail(6, 6, code)});
    const ScrubReport report = scrub.run();
    EXPECT_TRUE(report.is_complete);
    EXPECT_EQ(report.objects, 19u);
    EXPECT_EQ(report.lost_count, 0u);
    ASSERT_EQ(report.unread_count, 1u);
    EXPECT_EQ(report.unread.at(0).key, scrub.keys[5]);
  }
}

TEST(Scrub, what_is_archived_is_counted_apart) {
  FailingScrub scrub({reads_fail(6, 8, ErrorCode::refused)});
  const ScrubReport report = scrub.run();
  EXPECT_TRUE(report.is_complete);
  EXPECT_EQ(report.archived_objects, 3u);
  EXPECT_EQ(report.lost_count + report.unread_count, 0u);
}

TEST(Scrub, it_ends_where_the_store_answers_no_more_and_the_next_one_goes_on_there) {
  FailingScrub scrub({reads_fail(6, 1000, ErrorCode::io),
                      {.operation = store::Operation::stat, .first = 7, .last = 1000}});
  const ScrubReport report = scrub.run();
  EXPECT_FALSE(report.is_complete);
  ASSERT_TRUE(report.failure.has_value());
  EXPECT_EQ(report.failure->code(), ErrorCode::io);
  EXPECT_EQ(report.lost_count + report.unread_count, 0u);
  EXPECT_EQ(report.last_key, scrub.keys[4]);
}

TEST(ScrubLedger, a_run_that_passed_something_over_proves_nothing_and_takes_nothing_away) {
  ScrubLedger ledger;
  ledger.add({.time = 10, .objects = 5, .lost_count = 0, .unread_count = 0, .after = "", .up_to = ""});
  ledger.add({.time = 20, .objects = 4, .lost_count = 0, .unread_count = 1, .after = "", .up_to = ""});
  const ScrubLedger again = ScrubLedger::decode(ledger.encode()).value();
  EXPECT_EQ(again.runs().back().unread_count, 1u);
  EXPECT_EQ(again.all_verified_since(), 10);
  EXPECT_EQ(again.verified_at("a"), 10);
}

TEST(ScrubLedger, it_comes_back_from_its_text_and_says_when_each_key_was_read) {
  ScrubLedger ledger;
  ledger.add({.time = 10, .objects = 5, .lost_count = 0, .unread_count = 0, .after = "", .up_to = "m"});
  ledger.add({.time = 20, .objects = 5, .lost_count = 1, .unread_count = 0, .after = "m", .up_to = ""});
  ledger.add({.time = 30, .objects = 2, .lost_count = 0, .unread_count = 0, .after = "", .up_to = "f"});
  const ScrubLedger again = ScrubLedger::decode(ledger.encode()).value();
  EXPECT_EQ(as_text(again.encode()), as_text(ledger.encode()));
  EXPECT_EQ(again.cursor(), "f");
  EXPECT_EQ(again.verified_at("a"), 30);
  EXPECT_EQ(again.verified_at("g"), 10);
  EXPECT_EQ(again.verified_at("z"), 20);
  EXPECT_EQ(again.all_verified_since(), 10);
  EXPECT_EQ(ScrubLedger::decode(as_bytes("something else")).error().code(), ErrorCode::corrupt);
}

TEST(ScrubLedger, a_gap_means_that_nobody_knows) {
  ScrubLedger ledger;
  ledger.add({.time = 10, .objects = 5, .lost_count = 0, .unread_count = 0, .after = "", .up_to = "c"});
  ledger.add({.time = 20, .objects = 5, .lost_count = 0, .unread_count = 0, .after = "d", .up_to = ""});
  EXPECT_FALSE(ledger.all_verified_since().has_value());
  EXPECT_FALSE(ledger.verified_at("d").has_value());
}

}  // namespace
}  // namespace holdfast::job
