// SPDX-License-Identifier: Apache-2.0
#include "job/scrub.h"

#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <mutex>

#include "base/hash_id.h"
#include "crypto/hash.h"
#include "store/decorator.h"
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

// Of a range of keys nothing can be read.
class BadStore : public store::Decorator {
 public:
  struct Badness {
    std::string first, last;
    ErrorCode code = ErrorCode::io;
    bool answers = true;  // Otherwise it does not even say whether they are there.
  };
  BadStore(std::unique_ptr<ObjectStore> inner, Badness badness)
      : Decorator(std::move(inner)), badness_(std::move(badness)) {}
  Result<store::Examination> examine(std::string_view key, store::Repair repair) override {
    if (!is_bad(key)) return Decorator::examine(key, repair);
    was_asked_ = true;
    return Error(badness_.code, "cannot be read");
  }
  Result<store::ObjectInfo> stat(std::string_view key) override {
    return is_bad(key) && !badness_.answers ? Error(ErrorCode::io, "no answer") : Decorator::stat(key);
  }
  bool was_asked() const { return was_asked_; }

 private:
  bool is_bad(std::string_view key) const { return key >= badness_.first && key <= badness_.last; }
  const Badness badness_;
  std::atomic<bool> was_asked_ = false;
};

struct FailingScrub {
  // The objects with numbers first..last are bad.
  FailingScrub(size_t first, size_t last, ErrorCode code, bool answers) {
    auto objects = std::make_unique<store::MemStore>();
    for (int i = 0; i < 20; ++i) keys.push_back(put_named(*objects, "object " + std::to_string(i)));
    std::sort(keys.begin(), keys.end());
    store = std::make_unique<BadStore>(std::move(objects), BadStore::Badness{.first = keys[first],
                                                                             .last = keys[last],
                                                                             .code = code,
                                                                             .answers = answers});
  }
  ScrubReport run(const ScrubRequest& request = {}) {
    SteppingClock clock(milliseconds(1));
    return run_scrub(*store, clock, request).value();
  }
  std::vector<std::string> keys;
  std::unique_ptr<BadStore> store;
};

TEST(Scrub, an_object_that_cannot_be_read_is_not_told_as_lost) {
  for (const ErrorCode code : {ErrorCode::io, ErrorCode::denied}) {
    FailingScrub scrub(5, 5, code, true);
    const ScrubReport report = scrub.run();
    EXPECT_TRUE(report.is_complete);
    EXPECT_EQ(report.objects, 19u);
    EXPECT_EQ(report.lost_count, 0u);
    ASSERT_EQ(report.unread_count, 1u);
    EXPECT_EQ(report.unread.at(0).key, scrub.keys[5]);
  }
}

TEST(Scrub, what_is_archived_is_counted_apart) {
  FailingScrub scrub(5, 7, ErrorCode::refused, true);
  const ScrubReport report = scrub.run();
  EXPECT_TRUE(report.is_complete);
  EXPECT_EQ(report.archived_objects, 3u);
  EXPECT_EQ(report.lost_count + report.unread_count, 0u);
}

TEST(Scrub, it_ends_where_the_store_answers_no_more_and_the_next_one_goes_on_there) {
  for (const size_t last : {size_t{5}, size_t{19}}) {
    FailingScrub scrub(5, last, ErrorCode::io, false);
    const ScrubReport report = scrub.run();
    EXPECT_FALSE(report.is_complete);
    ASSERT_TRUE(report.failure.has_value());
    EXPECT_EQ(report.failure->code(), ErrorCode::io);
    EXPECT_EQ(report.lost_count + report.unread_count, 0u);
    EXPECT_EQ(report.last_key, scrub.keys[4]) << "whatever was seen behind it already";
  }
}

TEST(Scrub, a_store_that_answers_no_more_is_told_also_when_the_time_is_up) {
  int asked_count = 0;
  for (int time_max_ms = 2; time_max_ms < 20; ++time_max_ms) {
    FailingScrub scrub(5, 19, ErrorCode::io, false);
    const ScrubReport report = scrub.run({.time_max = milliseconds(time_max_ms)});
    EXPECT_FALSE(report.is_complete);
    EXPECT_EQ(report.failure.has_value(), scrub.store->was_asked()) << time_max_ms;
    if (scrub.store->was_asked()) ++asked_count;
  }
  EXPECT_GT(asked_count, 5);
}

// Lets no one go on before two objects are being examined.
class PairingStore : public store::Decorator {
 public:
  using Decorator::Decorator;
  Result<store::Examination> examine(std::string_view key, store::Repair repair) override {
    {
      std::unique_lock lock(mutex_);
      most_ = std::max(most_, ++under_way_);
      ++begun_;
      changed_.notify_all();
      const size_t pair = (begun_ + 1) / 2 * 2;
      // Should it never come, most() tells.
      gave_up_ = gave_up_ || !changed_.wait_for(lock, seconds(20), [&] { return begun_ >= pair || gave_up_; });
    }
    Result<store::Examination> examined = Decorator::examine(key, repair);
    const std::lock_guard lock(mutex_);
    --under_way_;
    return examined;
  }
  size_t most() const { return most_; }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  size_t begun_ = 0, under_way_ = 0, most_ = 0;
  bool gave_up_ = false;
};

TEST(Scrub, while_one_object_is_checked_the_next_is_read_and_no_more) {
  auto objects = std::make_unique<store::MemStore>();
  for (int i = 0; i < 20; ++i) put_named(*objects, "object " + std::to_string(i));
  PairingStore store(std::move(objects));
  SteppingClock clock(milliseconds(1));
  const ScrubReport report = run_scrub(store, clock, {}).value();
  EXPECT_TRUE(report.is_complete);
  EXPECT_EQ(report.objects, 20u);
  EXPECT_EQ(store.most(), 2u);
}

TEST(Scrub, a_rate_is_not_run_ahead_of_and_none_is_begun_after_the_deadline) {
  store::MemStore store;
  std::vector<std::string> keys;
  for (int i = 0; i < 10; ++i) keys.push_back(put_named(store, std::string(1000, static_cast<char>('a' + i))));
  std::sort(keys.begin(), keys.end());
  SteppingClock clock(nanoseconds(0));
  const ScrubReport report =
      run_scrub(store, clock, {.time_max = milliseconds(2500), .bytes_per_second_max = 1000}).value();
  EXPECT_EQ(report.objects, 3u) << "one a second, the third of them within the time";
  EXPECT_EQ(report.last_key, keys[2]);
  EXPECT_EQ(clock.slept(), seconds(3));
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
