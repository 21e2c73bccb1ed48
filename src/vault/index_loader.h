// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/mutex.h"
#include "base/result.h"
#include "store/overview.h"
#include "vault/index.h"
#include "vault/index_cache.h"
#include "vault/keyring.h"

namespace holdfast::vault {

struct IndexDamage {
  std::string key;
  Error error;
};

// Fills a domain's index from the segments in the store, in bounded memory: what is new lies in memory, and goes into
// tables in files (vault/index_cache.h) once it grows; those are merged so that a look-up asks few of them. What a file
// of an earlier run says counts only as far as its segments are still in the store. Where no file can be written all
// stays in memory. Any thread.
class IndexLoader {
 public:
  // All outlive it.
  IndexLoader(store::ObjectStore& store, const Keyring& keyring, const DomainKeys& keys, Index& index, Rng& rng,
              LocalFolders folders);

  // Loads all segments; later calls load what was added since. A damaged segment, or one of which too little is there,
  // is left out and remembered: it costs what it alone knew.
  Status load() EXCLUDES(mutex_);
  // The same, by what was taken just now.
  Status load(const store::Overview& seen) EXCLUDES(mutex_);
  // The same, but only the first call looks into the store.
  Status load_once() EXCLUDES(mutex_);
  // Forgets all and loads what is in the store now, from there alone; each segment is a table of its own from now on.
  Status reload_apart() EXCLUDES(mutex_);
  // Takes in a segment that this process wrote itself.
  void add_own(TablePtr table) EXCLUDES(mutex_);
  std::vector<IndexDamage> damage() EXCLUDES(mutex_);

 private:
  Status load_new(const store::Overview& seen) REQUIRES_LOCK(mutex_);
  Result<bool> load_listed(const store::Overview& seen) REQUIRES_LOCK(mutex_);
  // False: it is not there any more.
  Result<bool> load_segment(const std::string& key) REQUIRES_LOCK(mutex_);
  void forget_unread() REQUIRES_LOCK(mutex_);
  void open_cache(const std::map<ObjectId, std::string>& stored) REQUIRES_LOCK(mutex_);
  void use_file_table(TablePtr table) REQUIRES_LOCK(mutex_);
  void take(TablePtr table) REQUIRES_LOCK(mutex_);
  void file_memory_tables() REQUIRES_LOCK(mutex_);
  void fold() REQUIRES_LOCK(mutex_);
  void set_apart() REQUIRES_LOCK(mutex_);
  void compact(size_t count) REQUIRES_LOCK(mutex_);
  size_t count_to_merge() REQUIRES_LOCK(mutex_);

  store::ObjectStore& store_;
  const Keyring& keyring_;
  const DomainKeys& keys_;
  Index& index_;
  Mutex mutex_;
  IndexCache cache_ GUARDED_BY(mutex_);
  bool is_apart_ GUARDED_BY(mutex_) = false;
  bool has_opened_cache_ GUARDED_BY(mutex_) = false;
  bool can_write_ GUARDED_BY(mutex_) = true;
  std::set<ObjectId> loaded_ GUARDED_BY(mutex_);
  std::vector<IndexDamage> damage_ GUARDED_BY(mutex_);
  std::vector<TablePtr> memory_tables_ GUARDED_BY(mutex_);
  uint64_t memory_bytes_ GUARDED_BY(mutex_) = 0;
  std::vector<TablePtr> file_tables_ GUARDED_BY(mutex_);
  std::atomic<bool> loaded_once_ = false;
};

}  // namespace holdfast::vault
