// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstdint>

// The seam before every system call that looks at a disk without changing it, for tests that make such calls fail.
// Every wrapper in os/ asks read_point() first, and does with an errno what it would do with the kernel's.
namespace holdfast::os {

enum class Reading : uint8_t { open, read, list, stat };

struct ReadEvent {
  Reading op{};
  int fd = -1;
  const char* path = "";  // Where it has no descriptor yet; valid during the call only.
};

// Told of every such call of the process, from any thread, before it is made.
class ReadObserver {
 public:
  virtual ~ReadObserver() = default;
  // Zero lets the call go on; an errno is what the caller sees in its place; short_transfer (os/mutation.h) has a read
  // yield half of what was asked.
  virtual int before(const ReadEvent& event) = 0;
};

// Installs `observer` (null takes it away). It must outlive every call that may be running.
void set_read_observer(ReadObserver* observer);

namespace internal {
extern std::atomic<ReadObserver*> read_observer;
}

[[nodiscard]] inline int read_point(const ReadEvent& event) {
  ReadObserver* observer = internal::read_observer.load(std::memory_order_relaxed);
  if (observer == nullptr) [[likely]] return 0;
  return observer->before(event);
}

}  // namespace holdfast::os
