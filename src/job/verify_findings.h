// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <utility>

#include "base/mutex.h"
#include "base/newer.h"
#include "job/observer.h"
#include "job/verify.h"

namespace holdfast::job {

// Gathers what is found, from any thread.
class Findings {
 public:
  explicit Findings(Observer& observer) : observer_(observer) {}
  // What a later version made is told apart.
  void add(Damage damage) {
    const MutexLock lock(mutex_);
    const bool is_newer = is_made_by_newer(damage.error);
    ++(is_newer ? report_.newer_count : report_.damage_count);
    observer_.progress.problems.fetch_add(1, std::memory_order_relaxed);
    const std::string& name = damage.path.empty() ? damage.object_key : damage.path;
    observer_.skipped(name, damage.error);
    keep(is_newer ? report_.newer : report_.damage, std::move(damage));
  }
  template <class Change>
  void count(Change change) {
    const MutexLock lock(mutex_);
    change(report_.counts);
  }
  void merge(VerifyReport found) {
    const MutexLock lock(mutex_);
    report_.damage_count += found.damage_count;
    report_.newer_count += found.newer_count;
    for (Damage& damage : found.damage) keep(report_.damage, std::move(damage));
    for (Damage& newer : found.newer) keep(report_.newer, std::move(newer));
    report_.counts += found.counts;
  }
  VerifyReport take() {
    const MutexLock lock(mutex_);
    return std::move(report_);
  }

 private:
  static constexpr size_t kept_max = 10'000;
  static void keep(std::vector<Damage>& kept, Damage one) {
    if (kept.size() < kept_max) kept.push_back(std::move(one));
  }
  Observer& observer_;
  Mutex mutex_;
  VerifyReport report_ GUARDED_BY(mutex_);
};

inline Damage of_object(std::string key, Error error) {
  return {.object_key = std::move(key), .chunk = {}, .point = {}, .path = {}, .error = std::move(error)};
}

}  // namespace holdfast::job
