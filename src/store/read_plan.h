// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <string>

namespace holdfast::store {

// How much of an object will be read before long.
struct PlannedRead {
  uint64_t size_bytes = 0;    // Of the object.
  uint64_t wanted_bytes = 0;
  uint64_t place = 0;  // In the order in which the objects of a plan are first wanted; of each another.
};

// A store where a request costs more than the bytes it fetches in vain: told what will be read, it fetches objects of
// which most is wanted whole, at once.
class PlansReads {
 public:
  virtual ~PlansReads() = default;
  // By key. Binds nobody; takes the place of an earlier plan.
  virtual void plan_reads(const std::map<std::string, PlannedRead>& reads) = 0;
};

}  // namespace holdfast::store
