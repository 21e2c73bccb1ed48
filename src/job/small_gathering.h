// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace holdfast::job {

// How many small files a restore gathers before they are sorted by the bundles that hold them and read. Whoever plans
// what will be read, and when, asks the same.
class SmallGathering {
 public:
  // One more; true if the batch is full with it. The next one then begins.
  bool add(uint64_t size_bytes) {
    ++count_;
    size_bytes_ += size_bytes;
    if (count_ < count_max_ && size_bytes_ < size_bytes_max) return false;
    count_max_ = std::min(count_max_ * 2, count_max);
    count_ = 0;
    size_bytes_ = 0;
    return true;
  }

  static constexpr size_t count_first = 512;  // The first batches are small, so that workers need not wait for them.
  static constexpr size_t count_max = 16'384;
  static constexpr uint64_t size_bytes_max = 64 << 20;

 private:
  size_t count_max_ = count_first;
  size_t count_ = 0;
  uint64_t size_bytes_ = 0;
};

}  // namespace holdfast::job
