// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <stop_token>
#include <thread>

#include "base/result.h"
#include "os/fd.h"

namespace holdfast::os {

// While it lives, the first SIGINT or SIGTERM asks for a stop, so that work ends in a state that can be resumed; the
// second ends the process at once. One at a time in a process, made before other threads depend on it.
class StopOnSignals {
 public:
  static Result<StopOnSignals> install();
  ~StopOnSignals();
  StopOnSignals(StopOnSignals&&) noexcept = default;
  StopOnSignals& operator=(StopOnSignals&&) = delete;

  std::stop_token token() const { return source_.get_token(); }
  // The signal that asked, or zero.
  static int received();

 private:
  explicit StopOnSignals(Fd reading);
  std::stop_source source_;
  std::jthread waiter_;
};

// Writing to a pipe whose reader has gone then fails with an error instead of ending the process.
void ignore_broken_pipes();

}  // namespace holdfast::os
