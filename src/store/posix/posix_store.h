// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <unordered_set>

#include "base/mutex.h"
#include "os/fd.h"
#include "store/object_store.h"
#include "store/posix/temporary_files.h"
#include "store/settle.h"

namespace holdfast::store {

// A store that is a folder (store/posix/layout.h says how it looks inside).
//
// Create: a file under a temporary name, its bytes synced, renamed to its own name unless that exists, the folder
// synced. Folders made on the way are synced into theirs before. So a name appears only with all its bytes behind it,
// and create() returns only when a power cut cannot take it back. An object whose sync failed never appears. Where the
// sync of a folder fails, after the rename, the outcome is unknown (`io`), and since the kernel may report that failure
// only once, this PosixStore then refuses every further create().
//
// Read: 256 KiB or more into an aligned buffer from an aligned offset go past the page cache unless they are in it, at
// a fifth of the CPU.
//
// Folders are never removed, so a key that was a folder once cannot become an object: `invalid`.
class PosixStore : public ObjectStore, public Settling {
 public:
  // Makes the folder (and those above it) and lays the store out in it; opens it if it is a store already. `conflict`
  // if it holds anything else.
  static Result<std::unique_ptr<PosixStore>> create_root(const std::string& path);
  // `not_found` if there is no store at `path`. Needs no permission to write until create() or remove() is called.
  static Result<std::unique_ptr<PosixStore>> open(const std::string& path);

  std::string describe() const override;
  Capabilities capabilities() const override;
  Status create(std::string_view key, std::span<const ByteView> parts) override;
  Result<Bytes> get(std::string_view key, std::optional<Range> range) override;
  Status read(std::string_view key, uint64_t offset_bytes, MutableByteView out) override;
  Result<ObjectInfo> stat(std::string_view key) override;
  Status list(std::string_view prefix, std::string_view after,
              const std::function<Status(const ObjectInfo&)>& visit) override;
  Status remove(std::string_view key) override;
  Status replace(std::string_view key, std::span<const ByteView> parts) override;
  Result<std::unique_ptr<StoreLock>> try_lock(LockMode mode) override;
  Status settle(std::span<const std::string> keys) override;

 private:
  PosixStore(std::string path, os::Fd root, bool has_locks);
  struct OpenObject {
    os::Fd fd;
    uint64_t size_bytes = 0;
  };
  Result<OpenObject> open_object(std::string_view key);
  enum class Publish { new_name, in_place };
  Status store(std::string_view key, const std::string& path, std::span<const ByteView> parts, Publish how);
  Status expect_syncing(std::string_view key) const;
  Status check_absent(std::string_view key, const std::string& path);
  Status publish(std::string_view key, const std::string& path, const std::string& temporary);
  Status prepare_folder(std::string_view key, const std::string& folder);
  Status sync_folder(const std::string& folder);
  Error conflict(std::string_view key, const std::string& path);

  const std::string path_;
  const os::Fd root_;
  const bool has_locks_;
  TemporaryFiles temporaries_;
  std::atomic<bool> sync_failed_ = false;
  Mutex mutex_;
  // Folders known to exist and to be durable, so that each is looked at once a process.
  std::unordered_set<std::string> durable_folders_ GUARDED_BY(mutex_);
};

}  // namespace holdfast::store
