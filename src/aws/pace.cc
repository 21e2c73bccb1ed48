// SPDX-License-Identifier: Apache-2.0
#include "aws/pace.h"

#include <algorithm>

namespace holdfast::aws {

namespace {
constexpr std::chrono::milliseconds halving_interval{500};
}

void Pace::enter() {
  const MutexLock lock(mutex_);
  while (in_flight_ > 0 && in_flight_ + 1 > limit_) room_.wait(mutex_);
  in_flight_ += 1;
}

void Pace::leave() {
  const MutexLock lock(mutex_);
  in_flight_ -= 1;
  room_.notify_one();
}

void Pace::succeeded() {
  const MutexLock lock(mutex_);
  limit_ = std::min(in_flight_max_, limit_ + 1 / limit_);
  room_.notify_one();
}

void Pace::throttled(std::chrono::nanoseconds now) {
  const MutexLock lock(mutex_);
  if (halved_at_ != std::chrono::nanoseconds::min() && now - halved_at_ < halving_interval) return;
  halved_at_ = now;
  limit_ = std::max(1.0, limit_ / 2);
}

double Pace::limit() const {
  const MutexLock lock(mutex_);
  return limit_;
}

bool RetryQuota::take(int cost) {
  const MutexLock lock(mutex_);
  if (left_ < cost) return false;
  left_ -= cost;
  return true;
}

void RetryQuota::give_back(int cost) {
  const MutexLock lock(mutex_);
  left_ = std::min(capacity, left_ + cost);
}

}  // namespace holdfast::aws
