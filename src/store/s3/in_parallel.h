// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <atomic>
#include <functional>
#include <optional>
#include <thread>
#include <vector>

#include "base/mutex.h"
#include "base/result.h"

namespace holdfast::store {

// Calls `act` for every number below `count`, several at once: for requests that mostly wait. Returns the first
// failure, after which no further call begins.
inline Status in_parallel(size_t count, const std::function<Status(size_t)>& act) {
  constexpr size_t thread_count_max = 16;
  std::atomic<size_t> next = 0;
  Mutex mutex;
  std::optional<Error> failure;
  const auto work = [&] {
    for (size_t place = next++; place < count; place = next++) {
      Status done = act(place);
      if (done) continue;
      next = count;
      const MutexLock lock(mutex);
      if (!failure) failure = std::move(done.error());
    }
  };
  {
    std::vector<std::jthread> threads;
    for (size_t made = 1; made < std::min(count, thread_count_max); ++made) threads.emplace_back(work);
    work();
  }
  if (failure) return *std::move(failure);
  return {};
}

}  // namespace holdfast::store
