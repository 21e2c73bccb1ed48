// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "base/bytes.h"
#include "base/result.h"

namespace holdfast::os {

struct MemoryUsage {
  uint64_t resident_bytes = 0;
  uint64_t resident_bytes_peak = 0;
  uint64_t anonymous_bytes = 0;  // The resident part that no file stands behind: what a budget is about.
};
// Of this process.
Result<MemoryUsage> memory_usage();

// Asks for large pages where the system has them to give. Whether it is granted makes no difference but in speed.
void prefer_large_pages(MutableByteView memory);

// Keeps pages that hold secrets out of swap and of core dumps. `no_space` or `denied` where the limit (RLIMIT_MEMLOCK)
// is too low: callers go on without.
Status lock_memory(ByteView pages);
// No core dump of this process, and no other process of the user may look into its memory.
void forbid_core_dumps();

}  // namespace holdfast::os
