// SPDX-License-Identifier: Apache-2.0
#include "os/signals.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>

#include "os/errno_error.h"

namespace holdfast::os {

namespace {

// All that a handler may touch: lock-free, and set before the handler is.
std::atomic<int> first_signal = 0;
std::atomic<int> wake_fd = -1;
static_assert(std::atomic<int>::is_always_lock_free);

constexpr std::array<int, 2> stop_signals = {SIGINT, SIGTERM};

void wake() {
  const char byte = 0;
  // The pipe holds far more than the two bytes ever written; nothing could be done about a failure here.
  [[maybe_unused]] const ssize_t n = ::write(wake_fd.load(), &byte, 1);
}

extern "C" void on_stop_signal(int number) {
  const int errno_before = errno;
  int none = 0;
  if (first_signal.compare_exchange_strong(none, number)) {
    wake();
  } else {
    std::signal(number, SIG_DFL);
    std::raise(number);  // Delivered, and deadly, when this handler returns.
  }
  errno = errno_before;
}

void wait_for_wake(int fd) {
  char byte = 0;
  while (::read(fd, &byte, 1) < 0 && errno == EINTR) {
  }
}

}  // namespace

StopOnSignals::StopOnSignals(Fd reading)
    : waiter_([fd = std::move(reading), source = source_]() mutable {
        wait_for_wake(fd.get());
        if (received() != 0) source.request_stop();
      }) {}

Result<StopOnSignals> StopOnSignals::install() {
  std::array<int, 2> ends = {-1, -1};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return errno_error(errno, "pipe");
  first_signal = 0;
  wake_fd = ends[1];
  StopOnSignals stop{Fd(ends[0])};
  struct sigaction action{};
  action.sa_handler = on_stop_signal;
  action.sa_flags = SA_RESTART;
  for (const int number : stop_signals) {
    if (::sigaction(number, &action, nullptr) != 0) return errno_error(errno, "sigaction");
  }
  return stop;
}

StopOnSignals::~StopOnSignals() {
  if (!waiter_.joinable()) return;  // Moved from.
  for (const int number : stop_signals) std::signal(number, SIG_DFL);
  wake();
  waiter_.join();
  const Fd writing(wake_fd.exchange(-1));
}

int StopOnSignals::received() { return first_signal.load(); }

void ignore_broken_pipes() { std::signal(SIGPIPE, SIG_IGN); }

}  // namespace holdfast::os
