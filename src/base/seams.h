// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <stop_token>

#include "base/bytes.h"

namespace holdfast {

// Nanoseconds since 1970-01-01T00:00:00Z. Spans 1677 to 2262; times of files, which reach further, have a type of
// their own (format::FileTime).
using UnixTimeNs = int64_t;

// Where time comes from. Thread-safe. Nothing outside os/ asks the machine.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual UnixTimeNs now() = 0;                                    // Wall clock; may jump.
  virtual std::chrono::nanoseconds monotonic() = 0;                // Never goes back; for durations only.
  virtual void sleep_for(std::chrono::nanoseconds duration) = 0;
  // Ends as soon as `stop` is requested. Here: for clocks whose sleep takes no time.
  virtual void sleep_unless_stopped(std::chrono::nanoseconds duration, const std::stop_token& stop) {
    if (!stop.stop_requested()) sleep_for(duration);
  }
};

// Where secrets and salts come from. Thread-safe. The real one is getrandom(2), which cannot fail once seeded.
class Rng {
 public:
  virtual ~Rng() = default;
  virtual void fill(MutableByteView out) = 0;
};

}  // namespace holdfast
