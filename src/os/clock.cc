// SPDX-License-Identifier: Apache-2.0
#include "os/clock.h"

#include <time.h>

#include <cerrno>
#include <condition_variable>
#include <mutex>

namespace holdfast::os {

namespace {

constexpr int64_t ns_per_s = 1'000'000'000;

int64_t read_clock(clockid_t id) {
  timespec time{};
  ::clock_gettime(id, &time);  // Cannot fail for the clocks below.
  return static_cast<int64_t>(time.tv_sec) * ns_per_s + time.tv_nsec;
}

}  // namespace

UnixTimeNs RealClock::now() { return read_clock(CLOCK_REALTIME); }

std::chrono::nanoseconds RealClock::monotonic() {
  return std::chrono::nanoseconds(read_clock(CLOCK_MONOTONIC));
}

void RealClock::sleep_for(std::chrono::nanoseconds duration) {
  if (duration.count() <= 0) return;
  const int64_t until = read_clock(CLOCK_MONOTONIC) + duration.count();
  const timespec deadline{.tv_sec = until / ns_per_s, .tv_nsec = until % ns_per_s};
  while (::clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &deadline, nullptr) == EINTR) {
  }
}

void RealClock::sleep_unless_stopped(std::chrono::nanoseconds duration, const std::stop_token& stop) {
  if (duration.count() <= 0) return;
  std::mutex mutex;  // Guards nothing: only a stop wakes the sleeper.
  std::condition_variable_any woken;
  std::unique_lock lock(mutex);
  woken.wait_for(lock, stop, duration, [] { return false; });
}

std::chrono::nanoseconds thread_cpu_time() { return std::chrono::nanoseconds(read_clock(CLOCK_THREAD_CPUTIME_ID)); }
std::chrono::nanoseconds process_cpu_time() { return std::chrono::nanoseconds(read_clock(CLOCK_PROCESS_CPUTIME_ID)); }
std::chrono::nanoseconds monotonic_time() { return std::chrono::nanoseconds(read_clock(CLOCK_MONOTONIC)); }

}  // namespace holdfast::os
