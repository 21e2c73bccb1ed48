// SPDX-License-Identifier: Apache-2.0
#include "store/overlay_store.h"

#include <map>

#include "store/key.h"

namespace holdfast::store {

namespace {
Error absent(std::string_view key) {
  return Error(ErrorCode::not_found, "object " + std::string(key) + ": not found");
}
}  // namespace

bool OverlayStore::is_removed(std::string_view key) {
  const MutexLock lock(mutex_);
  return removed_.contains(key);
}

Result<ObjectStore*> OverlayStore::place_of(std::string_view key) {
  const auto changed = changes_->stat(key);
  if (changed) return changes_.get();
  if (changed.error().code() != ErrorCode::not_found) return changed.error();
  if (is_removed(key)) return absent(key);
  return &inner();
}

Status OverlayStore::create(std::string_view key, std::span<const ByteView> parts) {
  TRY_DO(check_key(key));
  if (!is_removed(key) && inner().stat(key)) {
    return Error(ErrorCode::conflict, "object " + std::string(key) + ": exists");
  }
  return changes_->create(key, parts);
}

Result<Bytes> OverlayStore::get(std::string_view key, std::optional<Range> range) {
  return TRY(place_of(key))->get(key, range);
}

Status OverlayStore::read(std::string_view key, uint64_t offset_bytes, MutableByteView out) {
  return TRY(place_of(key))->read(key, offset_bytes, out);
}

Result<ObjectInfo> OverlayStore::stat(std::string_view key) { return TRY(place_of(key))->stat(key); }

Status OverlayStore::list(std::string_view prefix, std::string_view after,
                          const std::function<Status(const ObjectInfo&)>& visit) {
  // What was changed is little: it is held, and shown in its place among the rest.
  std::map<std::string, uint64_t> changed;
  TRY_DO(changes_->list(prefix, after, [&](const ObjectInfo& info) -> Status {
    changed.emplace(info.key, info.size_bytes);
    return {};
  }));
  auto next = changed.begin();
  const auto show_up_to = [&](std::string_view key) -> Status {
    for (; next != changed.end() && next->first < key; ++next) {
      TRY_DO(visit({.key = next->first, .size_bytes = next->second}));
    }
    return {};
  };
  const Status listed = inner().list(prefix, after, [&](const ObjectInfo& info) -> Status {
    TRY_DO(show_up_to(info.key));
    if (is_removed(info.key) || changed.contains(info.key)) return {};
    return visit(info);
  });
  TRY_DO(listed);
  for (; next != changed.end(); ++next) TRY_DO(visit({.key = next->first, .size_bytes = next->second}));
  return {};
}

Status OverlayStore::remove(std::string_view key) {
  const Status removed = changes_->remove(key);
  if (removed || removed.error().code() != ErrorCode::not_found) return removed;
  if (is_removed(key)) return absent(key);
  (void)TRY(inner().stat(key));
  const MutexLock lock(mutex_);
  removed_.insert(std::string(key));
  return {};
}

Result<Examination> OverlayStore::examine(std::string_view key, Repair repair) {
  return TRY(place_of(key))->examine(key, repair);
}

Status OverlayStore::replace(std::string_view key, std::span<const ByteView>) {
  return Error(ErrorCode::unsupported, "object " + std::string(key) + ": what lies beneath is left as it is");
}

}  // namespace holdfast::store
