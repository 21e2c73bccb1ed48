// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <chrono>
#include <ctime>
#include <thread>

#include "os/clock.h"
#include "os/memory.h"

namespace holdfast::bench {

// Samples how much memory the process holds that no file stands behind.
class MemoryWatch {
 public:
  MemoryWatch() : thread_([this](const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      note();
      clock_.sleep_for(std::chrono::milliseconds(20));
    }
  }) {}
  uint64_t peak_bytes() {
    note();
    return peak_;
  }

 private:
  void note() {
    const uint64_t now = os::memory_usage()->anonymous_bytes;
    uint64_t before = peak_;
    while (now > before && !peak_.compare_exchange_weak(before, now)) {
    }
  }
  os::RealClock clock_;
  std::atomic<uint64_t> peak_ = 0;
  std::jthread thread_;
};

inline double seconds_since(std::chrono::steady_clock::time_point begin) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

inline double mib(uint64_t bytes) { return static_cast<double>(bytes) / (1 << 20); }

inline double processor_seconds() {
  timespec time{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) / 1e9;
}

}  // namespace holdfast::bench
