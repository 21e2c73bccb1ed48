// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string_view>

#include "store/mending.h"
#include "store/object_store.h"
#include "store/patience.h"
#include "store/settle.h"

namespace holdfast::store {

enum class Operation : uint8_t { create, get, read, stat, list, remove, try_lock };
inline constexpr size_t operation_count = 7;
std::string_view to_string(Operation operation);

// Passes every call on to the store it owns; what a decorator is about it overrides.
class Decorator : public ObjectStore, public Settling, public Mending, public Waiting {
 public:
  explicit Decorator(std::unique_ptr<ObjectStore> inner) : inner_(std::move(inner)) {}

  std::string describe() const override { return inner_->describe(); }
  Capabilities capabilities() const override { return inner_->capabilities(); }
  Status create(std::string_view key, std::span<const ByteView> parts) override {
    return inner_->create(key, parts);
  }
  Result<Bytes> get(std::string_view key, std::optional<Range> range) override { return inner_->get(key, range); }
  Status read(std::string_view key, uint64_t offset_bytes, MutableByteView out) override {
    return inner_->read(key, offset_bytes, out);
  }
  Result<ObjectInfo> stat(std::string_view key) override { return inner_->stat(key); }
  Status list(std::string_view prefix, std::string_view after,
              const std::function<Status(const ObjectInfo&)>& visit) override {
    return inner_->list(prefix, after, visit);
  }
  Status remove(std::string_view key) override { return inner_->remove(key); }
  Result<Examination> examine(std::string_view key, Repair repair) override { return inner_->examine(key, repair); }
  Status replace(std::string_view key, std::span<const ByteView> parts) override {
    return inner_->replace(key, parts);
  }
  Result<std::unique_ptr<StoreLock>> try_lock(LockMode mode) override { return inner_->try_lock(mode); }
  Status settle(std::span<const std::string> keys) override { return store::settle(*inner_, keys); }
  MendedList take_mended() override { return store::take_mended(*inner_); }
  bool needs_settling() const override { return store::needs_settling(*inner_); }
  void stop_waiting_on(std::stop_token stop) override { store::stop_waiting_on(*inner_, std::move(stop)); }

 protected:
  ObjectStore& inner() { return *inner_; }

 private:
  template <class Interface>
  friend Interface* find_interface(ObjectStore& store);
  std::unique_ptr<ObjectStore> inner_;
};

// What some stores can do besides, and decorators let through: the first of `store` and what it decorates that offers
// `Interface`; null if none does.
template <class Interface>
Interface* find_interface(ObjectStore& store) {
  if (auto* found = dynamic_cast<Interface*>(&store)) return found;
  auto* decorator = dynamic_cast<Decorator*>(&store);
  return decorator == nullptr ? nullptr : find_interface<Interface>(*decorator->inner_);
}

// A store that stands for `store`, which must outlive it: for putting a decorator around what another owns.
std::unique_ptr<ObjectStore> borrow(ObjectStore& store);

uint64_t total_size_bytes(std::span<const ByteView> parts);

}  // namespace holdfast::store
