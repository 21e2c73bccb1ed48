// SPDX-License-Identifier: Apache-2.0
#include "store/s3/read_ahead.h"

#include <algorithm>

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
  if (entry->second.is_being_fetched || entry->second.bytes == nullptr) return;
  held_bytes_ -= entry->second.bytes->size();
  entry->second.bytes = nullptr;
}

void ReadAhead::expect(std::set<std::string> keys) {
  const MutexLock lock(mutex_);
  expected_ = std::move(keys);
}

Result<bool> ReadAhead::read(const std::string& key, uint64_t offset_bytes, MutableByteView out, const Fetch& fetch) {
  std::shared_ptr<const Bytes> bytes;
  {
    const MutexLock lock(mutex_);
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
    auto whole = fetch();
    const MutexLock lock(mutex_);
    Entry& entry = entries_.at(key);  // Not dropped while it is being fetched.
    entry.is_being_fetched = false;
    entry.is_hopeless = !whole && whole.error().code() == ErrorCode::corrupt;
    fetched_.notify_all();
    if (entry.is_hopeless) return false;
    TRY_DO(whole);
    bytes = std::make_shared<const Bytes>(std::move(*whole));
    entry.bytes = bytes;
    held_bytes_ += bytes->size();
    evict();
  }
  if (offset_bytes > bytes->size() || out.size() > bytes->size() - offset_bytes) return false;
  std::copy_n(bytes->begin() + static_cast<ptrdiff_t>(offset_bytes), out.size(), out.begin());
  return true;
}

}  // namespace holdfast::store
