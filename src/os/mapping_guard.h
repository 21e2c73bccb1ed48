// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>

// A disk that cannot read a mapped page answers with SIGBUS, which ends the process. Here it does not: the handler puts
// a page of zeros in the place of the one that cannot be had and marks the mapping. Whoever read from it asks
// afterwards whether what was read may be relied on. Reading costs nothing more.
namespace holdfast::os {

// Whether the watched mapping that holds this place has failed; false of any other place.
bool has_failed_at(const void* place);

// Called by the handler when the zeros are in place, from where another thread may read them; none: null.
void call_at_zeros_for_test(void (*hook)());

// One mapping that is watched. Thread-safe but for moving.
class MappingGuard {
 public:
  MappingGuard() = default;
  // From now until this is destroyed, which comes before unmapping. Beyond some thousand mappings one goes unwatched.
  MappingGuard(const void* begin, size_t size_bytes);
  ~MappingGuard();
  MappingGuard(MappingGuard&& other) noexcept;
  MappingGuard& operator=(MappingGuard&& other) noexcept;

  bool has_failed() const;

 private:
  static constexpr size_t no_slot = static_cast<size_t>(-1);
  size_t slot_ = no_slot;
};

}  // namespace holdfast::os
