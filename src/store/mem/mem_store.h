// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <memory>

#include "base/mutex.h"
#include "store/object_store.h"

namespace holdfast::store {

// Objects in memory, for tests. Copies made by share() see the same objects and the same lock, as two processes on one
// folder would.
class MemStore : public ObjectStore {
 public:
  MemStore();
  ~MemStore() override;
  std::unique_ptr<MemStore> share() const;

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

  // Puts `bytes` in place of an object, as decay or an attacker would. `not_found` if there is none.
  Status overwrite_for_test(std::string_view key, ByteView bytes);

 private:
  struct State;
  class Lock;
  explicit MemStore(std::shared_ptr<State> state);
  std::shared_ptr<State> state_;  // Shared by the copies and by locks that outlive them.
};

}  // namespace holdfast::store
