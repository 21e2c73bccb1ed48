// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <set>
#include <string>

#include "base/mutex.h"
#include "store/decorator.h"

namespace holdfast::store {

// Shows the store it owns with changes that are kept elsewhere: what is created goes to `changes`, what is removed is
// only no longer shown. So work that writes can be done over a store that must not be touched, or cannot be. What that
// store mends of itself by its own redundancy it does beneath.
class OverlayStore : public Decorator {
 public:
  OverlayStore(std::unique_ptr<ObjectStore> inner, std::unique_ptr<ObjectStore> changes)
      : Decorator(std::move(inner)), changes_(std::move(changes)) {}

  Capabilities capabilities() const override { return changes_->capabilities(); }
  Status create(std::string_view key, std::span<const ByteView> parts) override;
  Result<Bytes> get(std::string_view key, std::optional<Range> range) override;
  Status read(std::string_view key, uint64_t offset_bytes, MutableByteView out) override;
  Result<ObjectInfo> stat(std::string_view key) override;
  Status list(std::string_view prefix, std::string_view after,
              const std::function<Status(const ObjectInfo&)>& visit) override;
  Status remove(std::string_view key) override;
  Result<Examination> examine(std::string_view key, Repair repair) override;
  Status replace(std::string_view key, std::span<const ByteView> parts) override;
  Result<std::unique_ptr<StoreLock>> try_lock(LockMode mode) override { return changes_->try_lock(mode); }
  Status settle(std::span<const std::string>) override { return {}; }  // Nothing here outlives its user.

 private:
  // The store that shows the object; `not_found` if none does.
  Result<ObjectStore*> place_of(std::string_view key) EXCLUDES(mutex_);
  bool is_removed(std::string_view key) EXCLUDES(mutex_);

  std::unique_ptr<ObjectStore> changes_;
  Mutex mutex_;
  std::set<std::string, std::less<>> removed_ GUARDED_BY(mutex_);  // Of the inner store.
};

}  // namespace holdfast::store
