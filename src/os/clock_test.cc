// SPDX-License-Identifier: Apache-2.0
#include "os/clock.h"

#include <gtest/gtest.h>

#include <thread>

namespace holdfast::os {
namespace {

using namespace std::chrono_literals;

TEST(RealClock, a_stop_ends_a_sleep) {
  RealClock clock;
  std::stop_source stop;
  const auto begun = clock.monotonic();
  {
    const std::jthread sleeper([&] { clock.sleep_unless_stopped(1h, stop.get_token()); });
    stop.request_stop();
  }
  clock.sleep_unless_stopped(1h, stop.get_token());  // Requested already.
  EXPECT_LT(clock.monotonic() - begun, 30min);
}

TEST(RealClock, a_sleep_that_nobody_stops_lasts) {
  RealClock clock;
  const std::stop_source stop;
  for (const std::stop_token& token : {stop.get_token(), std::stop_token()}) {
    const auto begun = clock.monotonic();
    clock.sleep_unless_stopped(5ms, token);
    EXPECT_GE(clock.monotonic() - begun, 5ms);
  }
}

}  // namespace
}  // namespace holdfast::os
