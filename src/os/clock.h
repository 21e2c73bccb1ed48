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
};

}  // namespace holdfast::os
