// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"

namespace holdfast::store {

// What a store can do, found out by asking it, never assumed.
struct Capabilities {
  bool atomic_create = false;  // create() of one key by two writers lets exactly one succeed.
  bool locks = false;          // try_lock() works; the lock ends with the process that holds it.
};

struct ObjectInfo {
  std::string key;
  uint64_t size_bytes = 0;
};

struct Range {
  uint64_t offset_bytes = 0;
  uint64_t size_bytes = 0;
};

enum class LockMode { shared, exclusive };

// What examine() found of one object.
struct Examination {
  uint64_t read_bytes = 0;
  uint32_t damaged_parts = 0;   // Copies, shards and units that were wrong, missing, or could not be read.
  uint32_t repaired_parts = 0;  // Those of them that are stored anew.
  uint32_t moved_parts = 0;     // Sound, but stored where they no longer belonged.
  bool is_unfinished = false;   // What a create() left that never returned: nobody was told that the object exists.
};
enum class Repair : uint8_t { report, write_back };

// Held until destroyed.
class StoreLock {
 public:
  virtual ~StoreLock() = default;
};

// A flat map from key to immutable bytes. Every method may be called from any thread.
//
// Keys are 1 to 1024 bytes of [a-z0-9/_.-]: components of 1 to 200 bytes between single slashes, none of them "." or
// "..", and no key lies beneath another ("a/b" beneath "a"); anything else is `invalid`, nesting only where the store
// sees it without another request. Objects are write-once: nothing here changes one in place.
class ObjectStore {
 public:
  virtual ~ObjectStore() = default;

  // For messages: the URL or path, without secrets.
  virtual std::string describe() const = 0;
  virtual Capabilities capabilities() const = 0;

  // Stores the concatenation of `parts` so that name and bytes survive a power cut after return. `conflict` if the key
  // exists; its bytes stay. A failure leaves no object under `key` unless the outcome is unknown (`io`): then either
  // none or the whole one is there. Parts aligned to 4096 bytes may be written past the page cache.
  virtual Status create(std::string_view key, std::span<const ByteView> parts) = 0;

  // The whole object, or just `range` of it. `not_found` if there is none; `corrupt` if it is shorter than asked.
  virtual Result<Bytes> get(std::string_view key, std::optional<Range> range) = 0;
  // As get(), into the caller's buffer: reads out.size() bytes from `offset_bytes`.
  virtual Status read(std::string_view key, uint64_t offset_bytes, MutableByteView out) = 0;

  // `not_found` if there is none; `corrupt` if too little of it is left to be read.
  virtual Result<ObjectInfo> stat(std::string_view key) = 0;

  // Calls `visit` for every object whose key starts with `prefix` and sorts after `after`, in byte order of keys. Those
  // made or removed meanwhile may be missed; what cannot be read may have size 0. An error of `visit` ends the walk.
  virtual Status list(std::string_view prefix, std::string_view after,
                      const std::function<Status(const ObjectInfo&)>& visit) = 0;

  // Removes the object durably; a missing one is `not_found`. Only collection calls this.
  virtual Status remove(std::string_view key) = 0;

  // Reads all that is stored for the object and checks it: against its name where that is the hash of its bytes, and
  // against the store's redundancy where it keeps any. With `write_back` whatever is wrong or missing is built anew and
  // stored. `corrupt` if that cannot be, so that bytes are lost. For scrubs, and for readers who found bytes wrong.
  // Here: what a store without redundancy can do.
  virtual Result<Examination> examine(std::string_view key, Repair repair);

  // Stores `parts` in the place of the object's bytes: after a crash there are the old or the new ones. Only repair
  // calls it, with bytes that were meant all along. Here: `unsupported`.
  virtual Status replace(std::string_view key, std::span<const ByteView> parts);

  // Takes the store's one advisory lock for this process. `busy` if another holds it in the way; `unsupported` where
  // capabilities().locks is false.
  virtual Result<std::unique_ptr<StoreLock>> try_lock(LockMode mode) = 0;
};

}  // namespace holdfast::store
