// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "base/mutex.h"
#include "store/object_store.h"

// Damage that a store put right by itself, most often because a reader met it. Nobody asked, so somebody must be told:
// a disk that decays is a disk to be replaced.
namespace holdfast::store {

struct Mended {
  std::string key;
  uint32_t damaged_parts = 0;
  std::string not_written;  // Why it was not stored anew; empty if it was.
};

// What was mended since it was last asked for: all of it counted, the first of it kept.
struct MendedList {
  uint64_t count = 0;
  std::vector<Mended> first;
};

// A store that mends. One that keeps no redundancy need not be one.
class Mending {
 public:
  virtual ~Mending() = default;
  virtual MendedList take_mended() = 0;
};

MendedList take_mended(ObjectStore& store);

// For stores that mend. Thread-safe.
class MendingNotes {
 public:
  void add(Mended mended) EXCLUDES(mutex_);
  MendedList take() EXCLUDES(mutex_);

 private:
  Mutex mutex_;
  MendedList list_ GUARDED_BY(mutex_);
};

}  // namespace holdfast::store
