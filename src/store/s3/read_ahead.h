// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <list>
#include <map>
#include <memory>
#include <stop_token>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/bytes.h"
#include "base/mutex.h"
#include "base/result.h"

namespace holdfast::store {

// Objects of which several parts are read are fetched whole and held in memory for a while: over a network a request
// costs as much as a megabyte. Who reads one part only, pays for that part only; where it is known beforehand that most
// of an object is wanted, its first part fetches it, and the object that is wanted next is fetched meanwhile.
// Thread-safe.
class ReadAhead {
 public:
  // Yields the whole object; is called by several threads at once. An error once `stop` is requested.
  using Fetch = std::function<Result<Bytes>(const std::string& key, std::stop_token stop)>;
  ReadAhead(uint64_t size_bytes_max, Fetch fetch) : size_bytes_max_(size_bytes_max), fetch_(std::move(fetch)) {}

  // Objects of which all is to be fetched with their first part, in the order in which they will be wanted. Takes the
  // place of those named before.
  void expect(std::vector<std::string> keys) EXCLUDES(plan_mutex_, mutex_);
  // Fills `out` from `offset_bytes` on and says true; or false: the part is to be asked for by itself, since it is the
  // first of its object, or since the object cannot be had whole or ends earlier. Threads that want the same object
  // wait for one fetch. Its failures are passed on, but for `corrupt`.
  Result<bool> read(const std::string& key, uint64_t offset_bytes, MutableByteView out) EXCLUDES(mutex_);
  // What is held of the object is no longer what the store holds.
  void forget(const std::string& key) EXCLUDES(mutex_);

 private:
  struct Entry {
    std::shared_ptr<const Bytes> bytes;  // Shared with readers that copy from it. Null while not there.
    bool is_being_fetched = false;
    bool is_hopeless = false;
    bool is_stale = false;  // What is being fetched is no longer what the store holds.
    std::list<std::string>::iterator place;
  };
  static constexpr size_t entry_count_max = 1024;  // Most of them only remember that a part was read.
  // So many beyond the furthest that was read from: a file may lie in four packs at a time, and what is read of them
  // goes on being touched, so that of more it would be those just fetched that go.
  static constexpr size_t ahead_count_max = 1;

  Entry& touch(const std::string& key, bool& is_new) REQUIRES_LOCK(mutex_);
  void evict() REQUIRES_LOCK(mutex_);
  void reach(const std::string& key) REQUIRES_LOCK(mutex_);
  std::shared_ptr<const Bytes> settle(const std::string& key, Result<Bytes>& whole) REQUIRES_LOCK(mutex_);
  void fetch_ahead(const std::stop_token& stop) EXCLUDES(mutex_);

  const uint64_t size_bytes_max_;
  const Fetch fetch_;
  Mutex mutex_;
  ConditionVariable fetched_;
  ConditionVariable reached_further_;
  std::vector<std::string> planned_ GUARDED_BY(mutex_);         // In order.
  std::map<std::string_view, size_t> expected_ GUARDED_BY(mutex_);  // Views of these, with their places.
  size_t reached_count_ GUARDED_BY(mutex_) = 0;  // Up to behind the furthest that was read from; 0 before any was.
  size_t next_ahead_ GUARDED_BY(mutex_) = 0;
  std::map<std::string, Entry> entries_ GUARDED_BY(mutex_);
  std::list<std::string> order_ GUARDED_BY(mutex_);  // Of use, the last one first.
  uint64_t held_bytes_ GUARDED_BY(mutex_) = 0;
  Mutex plan_mutex_;
  std::jthread ahead_ GUARDED_BY(plan_mutex_);  // Ends first: it uses all the others.
};

}  // namespace holdfast::store
