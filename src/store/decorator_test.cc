// SPDX-License-Identifier: Apache-2.0
#include "store/decorator.h"

#include <bit>

#include "store/conformance.h"
#include "store/fault_store.h"
#include "store/mem/mem_store.h"
#include "store/metrics_store.h"
#include "store/overlay_store.h"
#include "store/retry_store.h"
#include "store/throttle_store.h"

namespace holdfast::store {
namespace {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;
using std::chrono::seconds;

// Time that passes only by sleeping.
class ManualClock : public Clock {
 public:
  UnixTimeNs now() override { return monotonic().count(); }
  nanoseconds monotonic() override {
    const MutexLock lock(mutex_);
    return time_;
  }
  void sleep_for(nanoseconds duration) override {
    const MutexLock lock(mutex_);
    time_ += duration;
    sleeps_.push_back(duration);
  }
  std::vector<nanoseconds> sleeps() {
    const MutexLock lock(mutex_);
    return sleeps_;
  }

 private:
  Mutex mutex_;
  nanoseconds time_ GUARDED_BY(mutex_){0};
  std::vector<nanoseconds> sleeps_ GUARDED_BY(mutex_);
};

// Full jitter draws always the same.
class ConstantRng : public Rng {
 public:
  void fill(MutableByteView out) override { std::fill(out.begin(), out.end(), std::byte{0x5a}); }
};

struct Seams {
  ManualClock clock;
  ConstantRng rng;
};

using Wrap = std::function<std::unique_ptr<ObjectStore>(std::unique_ptr<ObjectStore>, Seams&)>;

StoreMaker around_memory(Wrap wrap) {
  return [wrap] {
    MemStore memory;
    auto seams = std::make_shared<Seams>();
    OpenedStore opened;
    opened.store = wrap(memory.share(), *seams);
    opened.again = wrap(memory.share(), *seams);
    opened.keep = seams;
    return opened;
  };
}

// Both sessions show one set of changes; what one removed of the store beneath only it leaves out, so nothing stands there.
INSTANTIATE_TEST_SUITE_P(Overlay, StoreConformance, ::testing::Values(StoreMaker([] {
                           MemStore beneath, changes;
                           OpenedStore opened;
                           opened.store = std::make_shared<OverlayStore>(beneath.share(), changes.share());
                           opened.again = std::make_shared<OverlayStore>(beneath.share(), changes.share());
                           return opened;
                         })));

INSTANTIATE_TEST_SUITE_P(Plain, StoreConformance, ::testing::Values(around_memory([](auto inner, Seams&) {
                           return std::make_unique<Decorator>(std::move(inner));
                         })));
INSTANTIATE_TEST_SUITE_P(Metrics, StoreConformance, ::testing::Values(around_memory([](auto inner, Seams& seams) {
                           return std::make_unique<MetricsStore>(std::move(inner), seams.clock);
                         })));
INSTANTIATE_TEST_SUITE_P(Throttle, StoreConformance, ::testing::Values(around_memory([](auto inner, Seams& seams) {
                           return std::make_unique<ThrottleStore>(
                               std::move(inner), seams.clock,
                               ThrottleLimits{.upload_bytes_per_second = 1000, .download_bytes_per_second = 1000});
                         })));
INSTANTIATE_TEST_SUITE_P(Retry, StoreConformance, ::testing::Values(around_memory([](auto inner, Seams& seams) {
                           return std::make_unique<RetryStore>(std::move(inner), seams.clock, seams.rng, RetryPolicy{});
                         })));
INSTANTIATE_TEST_SUITE_P(Fault, StoreConformance, ::testing::Values(around_memory([](auto inner, Seams&) {
                           return std::make_unique<FaultStore>(std::move(inner), FaultPlan{});
                         })));
// Storage where every fifth call fails, half of them after they worked, must look whole through retries.
INSTANTIATE_TEST_SUITE_P(RetryOverFaults, StoreConformance, ::testing::Values(around_memory([](auto inner, Seams& seams) {
                           auto bad = std::make_unique<FaultStore>(std::move(inner),
                                                                   FaultPlan{.rules = {}, .fail_per_mille = 200});
                           return std::make_unique<RetryStore>(std::move(bad), seams.clock, seams.rng,
                                                               RetryPolicy{.attempt_count_max = 30});
                         })));

Status put(ObjectStore& store, std::string_view key, std::string_view text) {
  const ByteView part = as_bytes(text);
  return store.create(key, std::span(&part, 1));
}

struct FaultyMemory {
  explicit FaultyMemory(FaultRule rule)
      : faults(memory.share(), FaultPlan{.rules = {rule}}),
        retry(borrow(faults), clock, rng, RetryPolicy{.attempt_count_max = 4}) {}
  MemStore memory;
  ManualClock clock;
  ConstantRng rng;
  FaultStore faults;
  RetryStore retry;
};

TEST(Fault, each_kind_does_what_it_says_to_a_create) {
  const std::string text(1000, 'x');
  const auto stored_under = [&](Fault fault, bool reports_success) {
    FaultyMemory store({.operation = Operation::create, .fault = fault});
    EXPECT_EQ(put(store.faults, "k", text).has_value(), reports_success);
    const Result<Bytes> found = store.memory.get("k", std::nullopt);
    return found ? std::string(as_text(*found)) : std::string("nothing");
  };
  EXPECT_EQ(stored_under(Fault::fail, false), "nothing");
  EXPECT_EQ(stored_under(Fault::fail_late, false), text);
  EXPECT_EQ(stored_under(Fault::drop, true), "nothing");
  EXPECT_LT(stored_under(Fault::cut_short, true).size(), text.size());
  const std::string flipped = stored_under(Fault::flip_bit, true);
  ASSERT_EQ(flipped.size(), text.size());
  int differing = 0;
  for (const char c : flipped) differing += std::popcount(static_cast<unsigned>(c ^ 'x') & 0xffu);
  EXPECT_EQ(differing, 1);
}

TEST(Fault, reads_can_be_damaged_without_the_object_being_so) {
  FaultyMemory store({.operation = Operation::get, .first = 2, .last = 2, .fault = Fault::flip_bit});
  ASSERT_TRUE(put(store.faults, "k", "text").has_value());
  EXPECT_EQ(as_text(*store.faults.get("k", std::nullopt)), "text");
  EXPECT_NE(as_text(*store.faults.get("k", std::nullopt)), "text");
  EXPECT_EQ(as_text(*store.faults.get("k", std::nullopt)), "text");
  EXPECT_EQ(store.faults.call_count(Operation::get), 3u);
}

TEST(Fault, the_chosen_code_is_returned_for_the_chosen_calls) {
  FaultyMemory store({.operation = Operation::remove, .first = 1, .last = 2, .code = ErrorCode::denied});
  ASSERT_TRUE(put(store.faults, "k", "text").has_value());
  EXPECT_EQ(store.faults.remove("k").error().code(), ErrorCode::denied);
  EXPECT_EQ(store.faults.remove("k").error().code(), ErrorCode::denied);
  EXPECT_TRUE(store.faults.remove("k").has_value());
}

TEST(Retry, a_failure_that_passes_is_not_seen) {
  for (const Operation operation : {Operation::create, Operation::get, Operation::read, Operation::stat,
                                    Operation::list, Operation::remove}) {
    for (const Fault fault : {Fault::fail, Fault::fail_late}) {
      FaultyMemory store({.operation = operation, .first = 1, .last = 3, .fault = fault});
      Bytes buffer(4);
      int shown = 0;
      EXPECT_TRUE(put(store.retry, "k", "text").has_value());
      EXPECT_EQ(as_text(*store.retry.get("k", std::nullopt)), "text");
      EXPECT_TRUE(store.retry.read("k", 0, buffer).has_value());
      EXPECT_EQ(store.retry.stat("k")->size_bytes, 4u);
      EXPECT_TRUE(store.retry.list("", "", [&](const ObjectInfo&) -> Status {
        ++shown;
        return {};
      }));
      EXPECT_EQ(shown, 1) << "shown once, however often the listing began anew";
      EXPECT_TRUE(store.retry.remove("k").has_value());
      const bool settled_early = fault == Fault::fail_late && (operation == Operation::create ||
                                                               operation == Operation::remove);
      EXPECT_EQ(store.clock.sleeps().size(), settled_early ? 1u : 3u) << to_string(operation);
    }
  }
}

TEST(Retry, a_failure_that_stays_is_returned_after_the_last_attempt) {
  FaultyMemory store({.operation = Operation::get, .first = 1, .last = 100});
  EXPECT_EQ(store.retry.get("k", std::nullopt).error().code(), ErrorCode::io);
  EXPECT_EQ(store.faults.call_count(Operation::get), 4u);
}

TEST(Retry, what_cannot_pass_is_not_repeated) {
  FaultyMemory store({.operation = Operation::get, .first = 1, .last = 1, .code = ErrorCode::denied});
  EXPECT_EQ(store.retry.get("k", std::nullopt).error().code(), ErrorCode::denied);
  EXPECT_EQ(store.retry.get("k", std::nullopt).error().code(), ErrorCode::not_found);
  EXPECT_EQ(store.faults.call_count(Operation::get), 2u);
  EXPECT_TRUE(store.clock.sleeps().empty());
}

TEST(Retry, a_conflict_with_the_object_of_another_stays_a_conflict) {
  FaultyMemory first({.operation = Operation::create, .first = 1, .last = 1});
  ASSERT_TRUE(put(first.memory, "k", "theirs").has_value());
  EXPECT_EQ(put(first.retry, "k", "ours!!").error().code(), ErrorCode::conflict) << "same length, other bytes";
  FaultyMemory second({.operation = Operation::create, .first = 1, .last = 1});
  ASSERT_TRUE(put(second.memory, "k", "theirs").has_value());
  EXPECT_EQ(put(second.retry, "k", "ours").error().code(), ErrorCode::conflict);
  FaultyMemory third({.operation = Operation::create, .first = 9, .last = 9});
  ASSERT_TRUE(put(third.memory, "k", "same").has_value());
  EXPECT_EQ(put(third.retry, "k", "same").error().code(), ErrorCode::conflict) << "no attempt of ours came before";
}

TEST(Retry, an_error_of_the_visitor_is_returned_at_once_even_if_it_looks_passing) {
  FaultyMemory store({.operation = Operation::stat});
  ASSERT_TRUE(put(store.memory, "a", "x").has_value());
  ASSERT_TRUE(put(store.memory, "b", "x").has_value());
  int visits = 0;
  const Status listed = store.retry.list("", "", [&](const ObjectInfo&) -> Status {
    ++visits;
    return Error(ErrorCode::io, "the visitor's own");
  });
  EXPECT_EQ(listed.error().message(), "the visitor's own");
  EXPECT_EQ(visits, 1);
}

TEST(Retry, a_busy_lock_is_left_to_the_caller) {
  FaultyMemory store({.operation = Operation::try_lock, .first = 1, .last = 1});
  const auto held = store.memory.try_lock(LockMode::exclusive);
  ASSERT_TRUE(held.has_value());
  EXPECT_EQ(store.retry.try_lock(LockMode::shared).error().code(), ErrorCode::busy);
  EXPECT_EQ(store.clock.sleeps().size(), 1u) << "only the fault before it was repeated";
}

TEST(Retry, delays_stay_below_a_bound_that_doubles_up_to_a_limit) {
  MemStore memory;
  FaultStore faults(memory.share(), {.rules = {{.operation = Operation::stat, .first = 1, .last = 100}}});
  ManualClock clock;
  class LargestRng : public Rng {
   public:
    explicit LargestRng(uint64_t bound) : bound_(bound) {}
    void fill(MutableByteView out) override {
      std::memcpy(out.data(), &bound_, sizeof bound_);
      bound_ = std::min<uint64_t>(bound_ * 2, 500'000'000);
    }
   private:
    uint64_t bound_;
  } rng(100'000'000);
  RetryStore retry(borrow(faults), clock, rng,
                   {.attempt_count_max = 6, .delay_first = milliseconds(100), .delay_max = milliseconds(500)});
  EXPECT_FALSE(retry.stat("k").has_value());
  EXPECT_EQ(clock.sleeps(), std::vector<nanoseconds>({milliseconds(100), milliseconds(200), milliseconds(400),
                                                      milliseconds(500), milliseconds(500)}));
}

TEST(Throttle, the_mean_rate_stays_below_the_limit_each_way) {
  MemStore memory;
  ManualClock clock;
  ThrottleStore store(memory.share(), clock, {.upload_bytes_per_second = 1000, .download_bytes_per_second = 500});
  const std::string text(2000, 'x');
  for (const char* key : {"a", "b", "c"}) ASSERT_TRUE(put(store, key, text).has_value());
  EXPECT_EQ(clock.monotonic(), seconds(4)) << "the third begins when the first two have had their time";
  ASSERT_TRUE(store.get("a", std::nullopt).has_value());
  EXPECT_EQ(clock.monotonic(), seconds(4)) << "the ways do not share a limit";
  ASSERT_TRUE(store.get("a", Range{0, 1}).has_value());
  EXPECT_EQ(clock.monotonic(), seconds(8));
  clock.sleep_for(seconds(100));
  Bytes buffer(2000);
  ASSERT_TRUE(store.read("a", 0, buffer).has_value());
  ASSERT_TRUE(store.read("a", 0, buffer).has_value());
  EXPECT_EQ(clock.monotonic(), seconds(112)) << "idle time is not saved up";
}

TEST(Throttle, no_limit_never_waits) {
  MemStore memory;
  ManualClock clock;
  ThrottleStore store(memory.share(), clock, {});
  ASSERT_TRUE(put(store, "a", std::string(1 << 20, 'x')).has_value());
  ASSERT_TRUE(store.get("a", std::nullopt).has_value());
  EXPECT_TRUE(clock.sleeps().empty());
}

TEST(Metrics, calls_bytes_failures_and_time_are_counted) {
  MemStore memory;
  ManualClock clock;
  ThrottleStore slow(memory.share(), clock, {.upload_bytes_per_second = 1000});
  MetricsStore store(borrow(slow), clock);
  ASSERT_TRUE(put(store, "a", std::string(2000, 'x')).has_value());
  ASSERT_FALSE(put(store, "a", std::string(500, 'x')).has_value());
  ASSERT_TRUE(store.get("a", Range{0, 10}).has_value());
  Bytes buffer(7);
  ASSERT_TRUE(store.read("a", 0, buffer).has_value());
  EXPECT_FALSE(store.stat("b").has_value());
  const StoreMetrics metrics = store.metrics();
  const auto& created = metrics[static_cast<size_t>(Operation::create)];
  EXPECT_EQ(created.call_count, 2u);
  EXPECT_EQ(created.failure_count, 1u);
  EXPECT_EQ(created.bytes, 2000u);
  EXPECT_EQ(created.time, seconds(2));
  EXPECT_EQ(metrics[static_cast<size_t>(Operation::get)].bytes, 10u);
  EXPECT_EQ(metrics[static_cast<size_t>(Operation::read)].bytes, 7u);
  EXPECT_EQ(metrics[static_cast<size_t>(Operation::stat)].failure_count, 1u);
  EXPECT_EQ(metrics[static_cast<size_t>(Operation::list)].call_count, 0u);
}

}  // namespace
}  // namespace holdfast::store
