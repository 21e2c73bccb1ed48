// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/hash_id.h"
#include "crypto/hash.h"
#include "store/decorator.h"
#include "store/devices/devices_store.h"
#include "store/mem/mem_store.h"

// Devices in memory that can be taken away, damaged and made to fail at any call.
namespace holdfast::store::devices {

// Passes on `call_count` calls that change something, then fails as a device that was pulled out.
class DyingStore : public Decorator {
 public:
  DyingStore(std::unique_ptr<ObjectStore> inner, std::shared_ptr<std::atomic<int64_t>> calls_left)
      : Decorator(std::move(inner)), calls_left_(std::move(calls_left)) {}
  Status create(std::string_view key, std::span<const ByteView> parts) override {
    return is_alive() ? Decorator::create(key, parts) : dead();
  }
  Status replace(std::string_view key, std::span<const ByteView> parts) override {
    return is_alive() ? Decorator::replace(key, parts) : dead();
  }
  Status remove(std::string_view key) override { return is_alive() ? Decorator::remove(key) : dead(); }
  Status read(std::string_view key, uint64_t offset_bytes, MutableByteView out) override {
    return *calls_left_ >= 0 ? Decorator::read(key, offset_bytes, out) : dead();
  }
  Result<Bytes> get(std::string_view key, std::optional<Range> range) override {
    return *calls_left_ >= 0 ? Decorator::get(key, range) : Result<Bytes>(dead().error());
  }
  Result<ObjectInfo> stat(std::string_view key) override {
    return *calls_left_ >= 0 ? Decorator::stat(key) : Result<ObjectInfo>(dead().error());
  }

 private:
  bool is_alive() { return calls_left_->fetch_sub(1) > 0; }
  static Status dead() { return Error(ErrorCode::io, "the device is gone"); }
  std::shared_ptr<std::atomic<int64_t>> calls_left_;
};

// A device mounted for reading.
class ReadOnlyStore : public Decorator {
 public:
  using Decorator::Decorator;
  Status create(std::string_view, std::span<const ByteView>) override { return read_only(); }
  Status replace(std::string_view, std::span<const ByteView>) override { return read_only(); }
  Status remove(std::string_view) override { return read_only(); }

 private:
  static Status read_only() { return Error(ErrorCode::denied, "the device is mounted read-only"); }
};

// Tells before each call that asks something of the device.
class WatchedStore : public Decorator {
 public:
  WatchedStore(std::unique_ptr<ObjectStore> inner, std::function<void()> on_call)
      : Decorator(std::move(inner)), on_call_(std::move(on_call)) {}
  Capabilities capabilities() const override {
    on_call_();
    return Decorator::capabilities();
  }
  Status create(std::string_view key, std::span<const ByteView> parts) override {
    on_call_();
    return Decorator::create(key, parts);
  }
  Result<ObjectInfo> stat(std::string_view key) override {
    on_call_();
    return Decorator::stat(key);
  }
  Result<Bytes> get(std::string_view key, std::optional<Range> range) override {
    on_call_();
    return Decorator::get(key, range);
  }
  Status remove(std::string_view key) override {
    on_call_();
    return Decorator::remove(key);
  }
  Result<std::unique_ptr<StoreLock>> try_lock(LockMode mode) override {
    on_call_();
    return Decorator::try_lock(mode);
  }

 private:
  const std::function<void()> on_call_;
};

class Rack {
 public:
  explicit Rack(size_t count) {
    for (size_t i = 0; i < count; ++i) add();
  }
  std::string add() {
    paths_.push_back("/device/" + std::to_string(paths_.size()));
    disks_[paths_.back()];
    return paths_.back();
  }
  const std::vector<std::string>& paths() const { return paths_; }
  MemStore& disk(size_t i) { return *disks_.at(paths_[i]).objects; }
  void pull(size_t i) { disks_.at(paths_[i]).is_pulled = true; }
  void push(size_t i) { disks_.at(paths_[i]).is_pulled = false; }
  // The mount point is there and empty.
  void wipe(size_t i) { disks_.at(paths_[i]) = Disk(); }
  void swap(size_t i, size_t j) { std::swap(disks_.at(paths_[i]), disks_.at(paths_[j])); }
  void clone(size_t from, size_t to) {
    wipe(to);
    disks_.at(paths_[to]).objects = disks_.at(paths_[from]).objects->share();
    disks_.at(paths_[to]).is_formatted = true;
  }
  // All devices opened from now on die after so many changes in sum.
  void let_die_after(int64_t call_count) { calls_left_ = std::make_shared<std::atomic<int64_t>>(call_count); }
  void let_live() { calls_left_ = nullptr; }
  // The same for one device only.
  void let_die_after(size_t i, int64_t call_count) {
    disks_.at(paths_[i]).calls_left = std::make_shared<std::atomic<int64_t>>(call_count);
  }
  // Calls `on_call` before whatever is asked of the device.
  void watch(size_t i, std::function<void()> on_call) { disks_.at(paths_[i]).on_call = std::move(on_call); }
  void make_read_only(size_t i, bool is_read_only) { disks_.at(paths_[i]).is_read_only = is_read_only; }
  void let_live(size_t i) { disks_.at(paths_[i]).calls_left = nullptr; }

  DeviceOpener opener() {
    return [this](const std::string& path, DeviceUse use) -> Result<std::unique_ptr<ObjectStore>> {
      const auto found = disks_.find(path);
      if (found == disks_.end() || found->second.is_pulled) {
        return Error(ErrorCode::not_found, path + ": no such device");
      }
      Disk& disk = found->second;
      if (use == DeviceUse::create) disk.is_formatted = true;
      if (!disk.is_formatted) return Error(ErrorCode::not_found, path + ": empty");
      std::unique_ptr<ObjectStore> store = disk.objects->share();
      if (disk.calls_left) store = std::make_unique<DyingStore>(std::move(store), disk.calls_left);
      if (disk.on_call) store = std::make_unique<WatchedStore>(std::move(store), disk.on_call);
      if (disk.is_read_only) store = std::make_unique<ReadOnlyStore>(std::move(store));
      if (calls_left_) store = std::make_unique<DyingStore>(std::move(store), calls_left_);
      return store;
    };
  }
  std::unique_ptr<DevicesStore> create(const DevicesStore::CreateOptions& options) {
    return DevicesStore::create(paths_, opener(), options).value();
  }
  std::unique_ptr<DevicesStore> open() { return DevicesStore::open(paths_, opener()).value(); }

 private:
  struct Disk {
    std::unique_ptr<MemStore> objects = std::make_unique<MemStore>();
    bool is_formatted = false;
    bool is_pulled = false;
    bool is_read_only = false;
    std::shared_ptr<std::atomic<int64_t>> calls_left;
    std::function<void()> on_call;
  };
  std::vector<std::string> paths_;
  std::map<std::string, Disk> disks_;
  std::shared_ptr<std::atomic<int64_t>> calls_left_;
};

inline Bytes random_bytes(size_t size_bytes, uint64_t seed) {
  Bytes bytes(size_bytes);
  uint64_t state = seed * 0x9e3779b97f4a7c15 + 1;
  for (std::byte& b : bytes) {
    state = state * 6364136223846793005 + 1442695040888963407;
    b = static_cast<std::byte>(state >> 56);
  }
  return bytes;
}

inline std::string named(std::string_view folder, ByteView bytes) {
  return std::string(folder) + "/" + to_hex(ByteView(crypto::hash(bytes)));
}

inline Status put(ObjectStore& store, std::string_view key, ByteView bytes) {
  return store.create(key, std::span(&bytes, 1));
}

// Objects of every kind and of sizes around all edges, by key.
inline std::map<std::string, Bytes> sample_objects(unsigned data_count) {
  std::map<std::string, Bytes> objects;
  const size_t stripe = data_count * unit_size_bytes;
  uint64_t seed = 1;
  for (const size_t size : {size_t{0}, size_t{1}, size_t{3960}, size_t{3961}, size_t{5000}, stripe - 1, stripe,
                            stripe + 1, 2 * stripe + 777}) {
    Bytes bytes = random_bytes(size, seed++);
    std::string key = named("data", bytes);
    objects.emplace(std::move(key), std::move(bytes));
  }
  for (int number = 1; number <= 3; ++number) {
    objects.emplace("log/1/" + std::to_string(number), random_bytes(static_cast<size_t>(number) * 9000, seed++));
  }
  return objects;
}

inline std::map<std::string, Bytes> contents(ObjectStore& store) {
  std::map<std::string, Bytes> found;
  store
      .list("", "",
            [&](const ObjectInfo& info) -> Status {
              Result<Bytes> bytes = store.get(info.key, std::nullopt);
              if (bytes) found.emplace(info.key, std::move(*bytes));
              return {};
            })
      .ignore("what is missing is seen by the comparison");
  return found;
}

// Calls `visit` with every choice of `count` out of 0..n-1.
inline size_t for_each_choice(size_t n, size_t count, const std::function<void(const std::vector<size_t>&)>& visit) {
  std::vector<size_t> chosen;
  size_t choices = 0;
  for (uint64_t bits = 0; bits < uint64_t{1} << n; ++bits) {
    if (static_cast<size_t>(std::popcount(bits)) != count) continue;
    chosen.clear();
    for (size_t i = 0; i < n; ++i) {
      if (bits >> i & 1) chosen.push_back(i);
    }
    visit(chosen);
    ++choices;
  }
  return choices;
}

}  // namespace holdfast::store::devices
