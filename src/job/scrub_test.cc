// SPDX-License-Identifier: Apache-2.0
#include "job/scrub.h"

#include <gtest/gtest.h>

#include "base/hash_id.h"
#include "crypto/hash.h"
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
    ledger.add({.time = 100 + run_count, .objects = report.objects, .lost_count = 0, .after = ledger.cursor(),
                .up_to = is_complete ? "" : report.last_key});
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

TEST(ScrubLedger, it_comes_back_from_its_text_and_says_when_each_key_was_read) {
  ScrubLedger ledger;
  ledger.add({.time = 10, .objects = 5, .lost_count = 0, .after = "", .up_to = "m"});
  ledger.add({.time = 20, .objects = 5, .lost_count = 1, .after = "m", .up_to = ""});
  ledger.add({.time = 30, .objects = 2, .lost_count = 0, .after = "", .up_to = "f"});
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
  ledger.add({.time = 10, .objects = 5, .lost_count = 0, .after = "", .up_to = "c"});
  ledger.add({.time = 20, .objects = 5, .lost_count = 0, .after = "d", .up_to = ""});
  EXPECT_FALSE(ledger.all_verified_since().has_value());
  EXPECT_FALSE(ledger.verified_at("d").has_value());
}

}  // namespace
}  // namespace holdfast::job
