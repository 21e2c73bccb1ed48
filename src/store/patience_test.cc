// SPDX-License-Identifier: Apache-2.0
#include "store/patience.h"

#include <gtest/gtest.h>

#include <chrono>

#include "store/mem/mem_store.h"
#include "store/throttle_store.h"

namespace holdfast::store {
namespace {

// Sleeping takes no time and is counted.
class CountingClock : public Clock {
 public:
  UnixTimeNs now() override { return 0; }
  std::chrono::nanoseconds monotonic() override { return std::chrono::nanoseconds(0); }
  void sleep_for(std::chrono::nanoseconds) override { ++sleep_count; }
  int sleep_count = 0;
};

class PatienceTest : public ::testing::Test {
 protected:
  // Whether the next write waits for its turn.
  bool waits() {
    const int before = clock_.sleep_count;
    const std::string key = "k" + std::to_string(write_count_++);
    const ByteView part = as_bytes("a long text");
    EXPECT_TRUE(store_.create(key, std::span(&part, 1)).has_value());
    return clock_.sleep_count > before;
  }
  MemStore memory_;
  CountingClock clock_;
  ThrottleStore store_{memory_.share(), clock_, {.upload_bytes_per_second = 1}};
  int write_count_ = 0;
};

TEST_F(PatienceTest, a_failure_ends_all_waits_until_the_job_is_over) {
  waits();  // The first has nobody before it.
  ASSERT_TRUE(waits());
  std::stop_source job, failed;
  {
    const Patience patience(store_, job.get_token(), failed.get_token());
    EXPECT_TRUE(waits());
    failed.request_stop();
    EXPECT_FALSE(waits());
  }
  EXPECT_TRUE(waits());
  job.request_stop();
  EXPECT_FALSE(waits());
}

TEST_F(PatienceTest, a_stop_of_the_job_ends_them_too) {
  waits();
  std::stop_source job, failed;
  const Patience patience(store_, job.get_token(), failed.get_token());
  EXPECT_TRUE(waits());
  job.request_stop();
  EXPECT_FALSE(waits());
}

TEST_F(PatienceTest, decorators_pass_it_on) {
  waits();
  const auto borrowed = borrow(store_);
  std::stop_source stop;
  stop_waiting_on(*borrowed, stop.get_token());
  EXPECT_TRUE(waits());
  stop.request_stop();
  EXPECT_FALSE(waits());
}

}  // namespace
}  // namespace holdfast::store
