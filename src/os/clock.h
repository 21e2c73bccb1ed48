// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/seams.h"

namespace holdfast::os {

// The machine's clocks.
class RealClock : public Clock {
 public:
  UnixTimeNs now() override;
  std::chrono::nanoseconds monotonic() override;  // CLOCK_MONOTONIC: stands still while the machine sleeps.
  void sleep_for(std::chrono::nanoseconds duration) override;
  void sleep_unless_stopped(std::chrono::nanoseconds duration, const std::stop_token& stop) override;
};

// Processor time, user and system: of the calling thread, and of the whole process.
std::chrono::nanoseconds thread_cpu_time();
std::chrono::nanoseconds process_cpu_time();
std::chrono::nanoseconds monotonic_time();

}  // namespace holdfast::os
