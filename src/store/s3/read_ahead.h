// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <list>
#include <map>
#include <memory>
#include <set>
#include <string>

#include "base/bytes.h"
#include "base/mutex.h"
#include "base/result.h"

namespace holdfast::store {

// Objects of which several parts are read are fetched whole and held in memory for a while: over a network a request
// costs as much as a megabyte. Who reads one part only, pays for that part only; where it is known beforehand that most
// of an object is wanted, its first part fetches it. Thread-safe.
class ReadAhead {
 public:
  using Fetch = std::function<Result<Bytes>()>;
  explicit ReadAhead(uint64_t size_bytes_max) : size_bytes_max_(size_bytes_max) {}

  // Objects of which all is to be fetched with their first part. Takes the place of those named before.
  void expect(std::set<std::string> keys) EXCLUDES(mutex_);
  // Fills `out` from `offset_bytes` on and says true; or false: the part is to be asked for by itself, since it is the
  // first of its object, or since the object cannot be had whole or ends earlier. `fetch` yields the whole object;
  // threads that want the same one wait for one fetch. Its failures are passed on, but for `corrupt`.
  Result<bool> read(const std::string& key, uint64_t offset_bytes, MutableByteView out, const Fetch& fetch)
      EXCLUDES(mutex_);
  // What is held of the object is no longer what the store holds.
  void forget(const std::string& key) EXCLUDES(mutex_);

 private:
  struct Entry {
    std::shared_ptr<const Bytes> bytes;  // Shared with readers that copy from it. Null while not there.
    bool is_being_fetched = false;
    bool is_hopeless = false;
    std::list<std::string>::iterator place;
  };
  static constexpr size_t entry_count_max = 1024;  // Most of them only remember that a part was read.

  Entry& touch(const std::string& key, bool& is_new) REQUIRES_LOCK(mutex_);
  void evict() REQUIRES_LOCK(mutex_);

  const uint64_t size_bytes_max_;
  Mutex mutex_;
  ConditionVariable fetched_;
  std::set<std::string> expected_ GUARDED_BY(mutex_);
  std::map<std::string, Entry> entries_ GUARDED_BY(mutex_);
  std::list<std::string> order_ GUARDED_BY(mutex_);  // Of use, the last one first.
  uint64_t held_bytes_ GUARDED_BY(mutex_) = 0;
};

}  // namespace holdfast::store
