// SPDX-License-Identifier: Apache-2.0
#include "store/throttle_store.h"

#include <algorithm>

namespace holdfast::store {

namespace {

constexpr uint64_t ns_per_s = 1'000'000'000;

// Size over rate without overflow: objects may be large and rates small.
std::chrono::nanoseconds time_of(uint64_t size_bytes, uint64_t bytes_per_second) {
  const uint64_t seconds = size_bytes / bytes_per_second;
  const auto rest = static_cast<unsigned __int128>(size_bytes % bytes_per_second) * ns_per_s / bytes_per_second;
  return std::chrono::seconds(seconds) + std::chrono::nanoseconds(static_cast<uint64_t>(rest));
}

}  // namespace

std::chrono::nanoseconds ThrottleStore::Lane::book(std::chrono::nanoseconds now, uint64_t size_bytes) {
  const std::chrono::nanoseconds start = std::max(now, free_at_);
  free_at_ = start + time_of(size_bytes, bytes_per_second_);
  return start;
}

void ThrottleStore::Lane::enter(Clock& clock, uint64_t size_bytes, const std::stop_token& stop) {
  if (bytes_per_second_ == 0) return;
  const std::chrono::nanoseconds now = clock.monotonic();
  std::chrono::nanoseconds start;
  {
    const MutexLock lock(mutex_);
    start = book(now, size_bytes);
  }
  if (start > now) clock.sleep_unless_stopped(start - now, stop);
}

void ThrottleStore::Lane::charge(Clock& clock, uint64_t size_bytes) {
  if (bytes_per_second_ == 0) return;
  const std::chrono::nanoseconds now = clock.monotonic();
  const MutexLock lock(mutex_);
  book(now, size_bytes);
}

void ThrottleStore::stop_waiting_on(std::stop_token stop) {
  {
    const MutexLock lock(patience_mutex_);
    patience_ = stop;
  }
  Decorator::stop_waiting_on(std::move(stop));
}

std::stop_token ThrottleStore::patience() {
  const MutexLock lock(patience_mutex_);
  return patience_;
}

Status ThrottleStore::create(std::string_view key, std::span<const ByteView> parts) {
  upload_.enter(clock_, total_size_bytes(parts), patience());
  return inner().create(key, parts);
}

Result<Bytes> ThrottleStore::get(std::string_view key, std::optional<Range> range) {
  // The size is known afterwards only; a range may be beyond the end.
  download_.enter(clock_, 0, patience());
  Result<Bytes> got = inner().get(key, range);
  if (got) download_.charge(clock_, got->size());
  return got;
}

Status ThrottleStore::read(std::string_view key, uint64_t offset_bytes, MutableByteView out) {
  download_.enter(clock_, out.size(), patience());
  return inner().read(key, offset_bytes, out);
}

}  // namespace holdfast::store
