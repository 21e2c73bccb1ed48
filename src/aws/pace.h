// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>

#include "base/mutex.h"
#include "base/seams.h"

namespace holdfast::aws {

// How many requests are under way at once: halved when the server says that it is too much, and raised again by one
// for each round of successes. Thread-safe.
class Pace {
 public:
  explicit Pace(double in_flight_max) : in_flight_max_(in_flight_max), limit_(in_flight_max) {}

  void enter() EXCLUDES(mutex_);  // Waits for its turn.
  void leave() EXCLUDES(mutex_);
  void succeeded() EXCLUDES(mutex_);
  // Requests that were under way together are throttled together: they halve it once.
  void throttled(std::chrono::nanoseconds now) EXCLUDES(mutex_);
  double limit() const EXCLUDES(mutex_);

 private:
  const double in_flight_max_;
  mutable Mutex mutex_;
  ConditionVariable room_;
  double limit_ GUARDED_BY(mutex_);
  double in_flight_ GUARDED_BY(mutex_) = 0;
  std::chrono::nanoseconds halved_at_ GUARDED_BY(mutex_) = std::chrono::nanoseconds::min();
};

// A budget for retries, shared by all requests of a client: when a service is down, most requests fail at once instead
// of being sent several times each. The figures are those of the SDKs' "standard" mode. Thread-safe.
class RetryQuota {
 public:
  // False if there is none left. `cost` is given back by a success.
  bool take(int cost) EXCLUDES(mutex_);
  void give_back(int cost) EXCLUDES(mutex_);

  static constexpr int capacity = 500;
  static constexpr int cost_of_retry = 5;
  static constexpr int cost_of_timeout = 10;
  static constexpr int refill_of_success = 1;

 private:
  Mutex mutex_;
  int left_ GUARDED_BY(mutex_) = capacity;
};

}  // namespace holdfast::aws
