// SPDX-License-Identifier: Apache-2.0
#include "store/mem/mem_store.h"

#include <algorithm>
#include <vector>

#include "store/key.h"

namespace holdfast::store {

struct MemStore::State {
  Mutex mutex;
  // Objects are never changed, so readers keep one alive without holding the mutex while they copy.
  std::map<std::string, std::shared_ptr<const Bytes>, std::less<>> objects GUARDED_BY(mutex);
  int shared_locks GUARDED_BY(mutex) = 0;
  bool exclusive_lock GUARDED_BY(mutex) = false;

  std::shared_ptr<const Bytes> find(std::string_view key) EXCLUDES(mutex) {
    const MutexLock lock(mutex);
    const auto it = objects.find(key);
    return it == objects.end() ? nullptr : it->second;
  }
  bool would_nest(std::string_view key) REQUIRES_LOCK(mutex) {
    for (size_t at = key.find('/'); at != std::string_view::npos; at = key.find('/', at + 1)) {
      if (objects.contains(key.substr(0, at))) return true;
    }
    const std::string beneath = std::string(key) + "/";
    const auto it = objects.lower_bound(beneath);
    return it != objects.end() && it->first.starts_with(beneath);
  }
};

class MemStore::Lock : public StoreLock {
 public:
  Lock(std::shared_ptr<State> state, LockMode mode) : state_(std::move(state)), mode_(mode) {}
  ~Lock() override {
    const MutexLock lock(state_->mutex);
    if (mode_ == LockMode::exclusive) {
      state_->exclusive_lock = false;
    } else {
      --state_->shared_locks;
    }
  }

 private:
  std::shared_ptr<State> state_;
  LockMode mode_;
};

namespace {

Error absent(std::string_view key) {
  return Error(ErrorCode::not_found, "object " + std::string(key) + ": not found");
}
std::shared_ptr<const Bytes> join(std::span<const ByteView> parts) {
  auto bytes = std::make_shared<Bytes>();
  for (const ByteView part : parts) append(*bytes, part);
  return bytes;
}
Error too_short(std::string_view key) {
  return Error(ErrorCode::corrupt, "object " + std::string(key) + ": shorter than expected");
}

}  // namespace

MemStore::MemStore() : state_(std::make_shared<State>()) {}
MemStore::MemStore(std::shared_ptr<State> state) : state_(std::move(state)) {}
MemStore::~MemStore() = default;

std::unique_ptr<MemStore> MemStore::share() const {
  return std::unique_ptr<MemStore>(new MemStore(state_));
}

std::string MemStore::describe() const { return "memory"; }

Capabilities MemStore::capabilities() const { return {.atomic_create = true, .locks = true}; }

Status MemStore::create(std::string_view key, std::span<const ByteView> parts) {
  TRY_DO(check_key(key));
  std::shared_ptr<const Bytes> bytes = join(parts);
  const MutexLock lock(state_->mutex);
  if (state_->objects.contains(key)) {
    return Error(ErrorCode::conflict, "object " + std::string(key) + ": exists");
  }
  if (state_->would_nest(key)) return key_nesting(key);
  state_->objects.emplace(key, std::move(bytes));
  return {};
}

Result<Bytes> MemStore::get(std::string_view key, std::optional<Range> range) {
  TRY_DO(check_key(key));
  const std::shared_ptr<const Bytes> object = state_->find(key);
  if (object == nullptr) return absent(key);
  if (!range) return *object;
  if (range->offset_bytes > object->size() || range->size_bytes > object->size() - range->offset_bytes) {
    return too_short(key);
  }
  return to_bytes(ByteView(*object).subspan(range->offset_bytes, range->size_bytes));
}

Status MemStore::read(std::string_view key, uint64_t offset_bytes, MutableByteView out) {
  TRY_DO(check_key(key));
  const std::shared_ptr<const Bytes> object = state_->find(key);
  if (object == nullptr) return absent(key);
  if (offset_bytes > object->size() || out.size() > object->size() - offset_bytes) return too_short(key);
  std::copy_n(object->begin() + static_cast<ptrdiff_t>(offset_bytes), out.size(), out.begin());
  return {};
}

Result<ObjectInfo> MemStore::stat(std::string_view key) {
  TRY_DO(check_key(key));
  const std::shared_ptr<const Bytes> object = state_->find(key);
  if (object == nullptr) return absent(key);
  return ObjectInfo{.key = std::string(key), .size_bytes = object->size()};
}

Status MemStore::list(std::string_view prefix, std::string_view after,
                      const std::function<Status(const ObjectInfo&)>& visit) {
  TRY_DO(check_prefix(prefix));
  std::vector<ObjectInfo> found;  // A visitor may call back into the store: not under the mutex.
  {
    const MutexLock lock(state_->mutex);
    auto it = prefix > after ? state_->objects.lower_bound(prefix) : state_->objects.upper_bound(after);
    for (; it != state_->objects.end() && it->first.starts_with(prefix); ++it) {
      found.push_back({.key = it->first, .size_bytes = it->second->size()});
    }
  }
  for (const ObjectInfo& info : found) TRY_DO(visit(info));
  return {};
}

Status MemStore::remove(std::string_view key) {
  TRY_DO(check_key(key));
  const MutexLock lock(state_->mutex);
  const auto it = state_->objects.find(key);
  if (it == state_->objects.end()) return absent(key);
  state_->objects.erase(it);
  return {};
}

Status MemStore::replace(std::string_view key, std::span<const ByteView> parts) {
  TRY_DO(check_key(key));
  std::shared_ptr<const Bytes> bytes = join(parts);
  const MutexLock lock(state_->mutex);
  state_->objects[std::string(key)] = std::move(bytes);
  return {};
}

Result<std::unique_ptr<StoreLock>> MemStore::try_lock(LockMode mode) {
  const MutexLock lock(state_->mutex);
  const bool blocked =
      state_->exclusive_lock || (mode == LockMode::exclusive && state_->shared_locks > 0);
  if (blocked) return Error(ErrorCode::busy, "lock: held by another session");
  if (mode == LockMode::exclusive) {
    state_->exclusive_lock = true;
  } else {
    ++state_->shared_locks;
  }
  return std::unique_ptr<StoreLock>(std::make_unique<Lock>(state_, mode));
}

Status MemStore::overwrite_for_test(std::string_view key, ByteView bytes) {
  const MutexLock lock(state_->mutex);
  const auto it = state_->objects.find(key);
  if (it == state_->objects.end()) return absent(key);
  it->second = std::make_shared<const Bytes>(to_bytes(bytes));
  return {};
}

}  // namespace holdfast::store
