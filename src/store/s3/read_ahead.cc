// SPDX-License-Identifier: Apache-2.0
#include "store/s3/read_ahead.h"

#include <algorithm>
#include <utility>

namespace holdfast::store {

ReadAhead::Entry& ReadAhead::touch(const std::string& key, bool& is_new) {
  const auto [at, made] = entries_.try_emplace(key);
  is_new = made;
  if (made) {
    order_.push_front(key);
    at->second.place = order_.begin();
  } else {
    order_.splice(order_.begin(), order_, at->second.place);
  }
  return at->second;
}

// From the one not used for longest; never the newest, nor one that somebody is fetching.
void ReadAhead::evict() {
  auto oldest = order_.end();
  while (oldest != order_.begin() && (held_bytes_ > size_bytes_max_ || entries_.size() > entry_count_max)) {
    --oldest;
    if (oldest == order_.begin()) return;
    const auto entry = entries_.find(*oldest);
    if (entry->second.is_being_fetched) continue;
    if (entry->second.bytes != nullptr) held_bytes_ -= entry->second.bytes->size();
    entries_.erase(entry);
    oldest = order_.erase(oldest);
  }
}

void ReadAhead::forget(const std::string& key) {
  const MutexLock lock(mutex_);
  const auto entry = entries_.find(key);
  if (entry == entries_.end()) return;
  entry->second.is_hopeless = false;
  entry->second.is_stale = entry->second.is_being_fetched;
  if (entry->second.bytes == nullptr) return;
  held_bytes_ -= entry->second.bytes->size();
  entry->second.bytes = nullptr;
}

void ReadAhead::expect(std::vector<std::string> keys) {
  const MutexLock plan_lock(plan_mutex_);
  ahead_ = {};
  const bool has_some = !keys.empty();
  {
    const MutexLock lock(mutex_);
    expected_.clear();
    planned_ = std::move(keys);
    for (const std::string& key : planned_) expected_.emplace(key, expected_.size());
    reached_count_ = next_ahead_ = 0;
  }
  if (has_some) ahead_ = std::jthread([this](const std::stop_token& stop) { fetch_ahead(stop); });
}

// Somebody reads of it: what is planned up to there is done with, or was not needed.
void ReadAhead::reach(const std::string& key) {
  const auto expected = expected_.find(key);
  if (expected == expected_.end() || expected->second < reached_count_) return;
  reached_count_ = expected->second + 1;
  next_ahead_ = std::max(next_ahead_, reached_count_);
  reached_further_.notify_all();
}

// What a fetch brought; null if nothing. Whoever waits for it is woken.
std::shared_ptr<const Bytes> ReadAhead::settle(const std::string& key, Result<Bytes>& whole) {
  Entry& entry = entries_.at(key);  // Not dropped while it is being fetched.
  entry.is_being_fetched = false;
  const bool is_stale = std::exchange(entry.is_stale, false);
  entry.is_hopeless = !is_stale && !whole && whole.error().code() == ErrorCode::corrupt;
  fetched_.notify_all();
  if (!whole) return nullptr;
  auto bytes = std::make_shared<const Bytes>(std::move(*whole));
  if (is_stale) return bytes;  // For who asked before that; not kept.
  entry.bytes = bytes;
  held_bytes_ += bytes->size();
  evict();
  return bytes;
}

void ReadAhead::fetch_ahead(const std::stop_token& stop) {
  const std::stop_callback woken(stop, [this] {
    const MutexLock lock(mutex_);
    reached_further_.notify_all();
  });
  for (;;) {
    std::string key;
    {
      const MutexLock lock(mutex_);
      const auto may_go = [this]() REQUIRES_LOCK(mutex_) {
        return reached_count_ > 0 && next_ahead_ < planned_.size() && next_ahead_ < reached_count_ + ahead_count_max;
      };
      while (!stop.stop_requested() && !may_go()) reached_further_.wait(mutex_);
      if (stop.stop_requested()) return;
      key = planned_[next_ahead_++];
      bool is_new = false;
      Entry& entry = touch(key, is_new);
      if (entry.is_being_fetched || entry.is_hopeless || entry.bytes != nullptr) continue;
      entry.is_being_fetched = true;
    }
    auto whole = fetch_(key, stop);
    const MutexLock lock(mutex_);
    settle(key, whole);
    // Whoever wants the object meets what is in the way. Where that is more than this object's own, nothing is tried
    // again ahead of them.
    if (whole) continue;
    const ErrorCode code = whole.error().code();
    if (code != ErrorCode::corrupt && code != ErrorCode::not_found && code != ErrorCode::refused) return;
  }
}

Result<bool> ReadAhead::read(const std::string& key, uint64_t offset_bytes, MutableByteView out) {
  std::shared_ptr<const Bytes> bytes;
  {
    const MutexLock lock(mutex_);
    reach(key);
    bool is_new = false;
    Entry* entry = &touch(key, is_new);
    evict();
    if (is_new && !expected_.contains(key)) return false;
    while (entry->is_being_fetched) {
      fetched_.wait(mutex_);
      entry = &touch(key, is_new);  // It may have been dropped meanwhile.
      if (is_new && !expected_.contains(key)) return false;
    }
    if (entry->is_hopeless) return false;
    bytes = entry->bytes;
    if (bytes == nullptr) entry->is_being_fetched = true;
  }
  if (bytes == nullptr) {
    auto whole = fetch_(key, {});
    const MutexLock lock(mutex_);
    bytes = settle(key, whole);
    if (!whole && whole.error().code() == ErrorCode::corrupt) return false;
    TRY_DO(whole);
  }
  if (offset_bytes > bytes->size() || out.size() > bytes->size() - offset_bytes) return false;
  std::copy_n(bytes->begin() + static_cast<ptrdiff_t>(offset_bytes), out.size(), out.begin());
  return true;
}

}  // namespace holdfast::store
