// SPDX-License-Identifier: Apache-2.0
#include "store/decorator.h"

#include <array>

namespace holdfast::store {

namespace {

class Borrowed : public ObjectStore, public Settling, public Mending, public Waiting {
 public:
  explicit Borrowed(ObjectStore& store) : store_(store) {}
  std::string describe() const override { return store_.describe(); }
  Capabilities capabilities() const override { return store_.capabilities(); }
  Status create(std::string_view key, std::span<const ByteView> parts) override {
    return store_.create(key, parts);
  }
  Result<Bytes> get(std::string_view key, std::optional<Range> range) override { return store_.get(key, range); }
  Status read(std::string_view key, uint64_t offset_bytes, MutableByteView out) override {
    return store_.read(key, offset_bytes, out);
  }
  Result<ObjectInfo> stat(std::string_view key) override { return store_.stat(key); }
  Status list(std::string_view prefix, std::string_view after,
              const std::function<Status(const ObjectInfo&)>& visit) override {
    return store_.list(prefix, after, visit);
  }
  Status remove(std::string_view key) override { return store_.remove(key); }
  Result<Examination> examine(std::string_view key, Repair repair) override { return store_.examine(key, repair); }
  Status replace(std::string_view key, std::span<const ByteView> parts) override { return store_.replace(key, parts); }
  Result<std::unique_ptr<StoreLock>> try_lock(LockMode mode) override { return store_.try_lock(mode); }
  Status settle(std::span<const std::string> keys) override { return store::settle(store_, keys); }
  MendedList take_mended() override { return store::take_mended(store_); }
  bool needs_settling() const override { return store::needs_settling(store_); }
  void stop_waiting_on(std::stop_token stop) override { store::stop_waiting_on(store_, std::move(stop)); }

 private:
  ObjectStore& store_;
};

constexpr std::array<std::string_view, operation_count> operation_names = {"create", "get",    "read",    "stat",
                                                                           "list",   "remove", "try_lock"};

}  // namespace

std::string_view to_string(Operation operation) { return operation_names[static_cast<size_t>(operation)]; }

Status settle(ObjectStore& store, std::span<const std::string> keys) {
  auto* settling = dynamic_cast<Settling*>(&store);
  return settling == nullptr ? Status() : settling->settle(keys);
}

bool needs_settling(const ObjectStore& store) {
  const auto* settling = dynamic_cast<const Settling*>(&store);
  return settling != nullptr && settling->needs_settling();
}

std::unique_ptr<ObjectStore> borrow(ObjectStore& store) { return std::make_unique<Borrowed>(store); }

uint64_t total_size_bytes(std::span<const ByteView> parts) {
  uint64_t size_bytes = 0;
  for (const ByteView part : parts) size_bytes += part.size();
  return size_bytes;
}

}  // namespace holdfast::store
