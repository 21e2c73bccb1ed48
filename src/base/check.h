// SPDX-License-Identifier: Apache-2.0
#pragma once

// CHECK stops the process when an invariant of ours is broken: it stays on in every build and is never applied to
// data from outside. DCHECK is for hot paths and vanishes when NDEBUG is set.
namespace holdfast {
[[noreturn]] void check_failed(const char* expression, const char* file, int line);
}

#define CHECK(condition)                                                      \
  do {                                                                        \
    if (!(condition)) [[unlikely]]                                            \
      ::holdfast::check_failed(#condition, __FILE__, __LINE__);               \
  } while (false)

#ifdef NDEBUG
#define DCHECK(condition) \
  do {                    \
  } while (false && (condition))
#else
#define DCHECK(condition) CHECK(condition)
#endif
