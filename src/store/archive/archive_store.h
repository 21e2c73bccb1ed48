// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <memory>
#include <string>

#include "base/mutex.h"
#include "os/fd.h"
#include "store/object_store.h"

namespace holdfast::store {

// A store in one file: the objects side by side, then an index of them, then a fixed tail that names the index and its
// hash (docs/format.md 10). It is written once, front to back, and only read from then on. What the objects hold
// is checked by whoever opens them; the hash keeps the index itself from being believed when damaged.
class ArchiveStore : public ObjectStore {
 public:
  // Begins a new archive under a temporary name beside `path`. `conflict` if `path` exists. Without finish() nothing of
  // it stays behind, unless the process is killed.
  static Result<std::unique_ptr<ArchiveStore>> create_file(const std::string& path);
  // Opens a finished one for reading: create() and remove() are `refused` then. `not_found`; `corrupt` if it is no
  // archive, or not a whole one.
  static Result<std::unique_ptr<ArchiveStore>> open(const std::string& path);
  ~ArchiveStore() override;

  // Writes the index and gives the file its name, durably. The store can be read on.
  Status finish() EXCLUDES(mutex_);

  std::string describe() const override;
  Capabilities capabilities() const override;
  Status create(std::string_view key, std::span<const ByteView> parts) override;
  Result<Bytes> get(std::string_view key, std::optional<Range> range) override;
  Status read(std::string_view key, uint64_t offset_bytes, MutableByteView out) override;
  Result<ObjectInfo> stat(std::string_view key) override;
  Status list(std::string_view prefix, std::string_view after,
              const std::function<Status(const ObjectInfo&)>& visit) override;
  Status remove(std::string_view key) override;
  Result<std::unique_ptr<StoreLock>> try_lock(LockMode mode) override;

 private:
  ArchiveStore(std::string path, os::Fd file) : path_(std::move(path)), file_(std::move(file)) {}
  Status load_index();
  Result<Range> find(std::string_view key) EXCLUDES(mutex_);
  std::string temporary_path() const { return path_ + ".part"; }

  const std::string path_;
  const os::Fd file_;
  Mutex mutex_;
  std::map<std::string, Range, std::less<>> objects_ GUARDED_BY(mutex_);
  uint64_t end_bytes_ GUARDED_BY(mutex_) = 0;  // Of what was written.
  bool is_writable_ GUARDED_BY(mutex_) = false;
};

}  // namespace holdfast::store
