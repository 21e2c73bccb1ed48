// SPDX-License-Identifier: Apache-2.0
#include "store/retry_store.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <string>

namespace holdfast::store {

// Calls `call(attempt)`, attempts counted from 0, until it succeeds or fails for good.
template <class Call>
auto RetryStore::repeated(const Call& call) {
  for (uint32_t attempt = 0;; ++attempt) {
    auto result = call(attempt);
    if (result || !result.error().retryable() || attempt + 1 >= policy_.attempt_count_max) return result;
    wait_before(attempt + 1);
  }
}

void RetryStore::wait_before(uint32_t attempt) {
  std::chrono::nanoseconds bound = policy_.delay_first;
  for (uint32_t doubling = 1; doubling < attempt && bound < policy_.delay_max; ++doubling) bound *= 2;
  bound = std::min(bound, policy_.delay_max);
  std::array<std::byte, 8> random{};
  rng_.fill(random);
  uint64_t number = 0;
  std::memcpy(&number, random.data(), sizeof number);
  clock_.sleep_for(std::chrono::nanoseconds(number % (static_cast<uint64_t>(bound.count()) + 1)));
}

// Compared piece by piece, so that a pack is not held twice in memory.
Result<bool> RetryStore::holds(std::string_view key, std::span<const ByteView> parts) {
  constexpr size_t piece_size_bytes_max = 1 << 20;
  const ObjectInfo info = TRY(stat(key));
  if (info.size_bytes != total_size_bytes(parts)) return false;
  Bytes buffer;
  uint64_t offset_bytes = 0;
  for (ByteView rest : parts) {
    while (!rest.empty()) {
      const ByteView piece = rest.first(std::min(rest.size(), piece_size_bytes_max));
      buffer.resize(piece.size());
      TRY_DO(read(key, offset_bytes, buffer));
      if (!equal(buffer, piece)) return false;
      offset_bytes += piece.size();
      rest = rest.subspan(piece.size());
    }
  }
  return true;
}

Status RetryStore::create(std::string_view key, std::span<const ByteView> parts) {
  return repeated([&](uint32_t attempt) -> Status {
    Status made = inner().create(key, parts);
    if (made || made.error().code() != ErrorCode::conflict || attempt == 0) return made;
    if (TRY(holds(key, parts))) return {};
    return made;
  });
}

Result<Bytes> RetryStore::get(std::string_view key, std::optional<Range> range) {
  return repeated([&](uint32_t) { return inner().get(key, range); });
}

Status RetryStore::read(std::string_view key, uint64_t offset_bytes, MutableByteView out) {
  return repeated([&](uint32_t) { return inner().read(key, offset_bytes, out); });
}

Result<ObjectInfo> RetryStore::stat(std::string_view key) {
  return repeated([&](uint32_t) { return inner().stat(key); });
}

Status RetryStore::list(std::string_view prefix, std::string_view after,
                        const std::function<Status(const ObjectInfo&)>& visit) {
  std::string shown_last(after);
  Status of_visitor;
  const Status listed = repeated([&](uint32_t) -> Status {
    const Status done = inner().list(prefix, shown_last, [&](const ObjectInfo& info) -> Status {
      of_visitor = visit(info);
      shown_last = info.key;
      return of_visitor;
    });
    if (!of_visitor) return {};  // Not the store's failure: ends the repetition.
    return done;
  });
  if (!of_visitor) return of_visitor;
  return listed;
}

Status RetryStore::remove(std::string_view key) {
  return repeated([&](uint32_t attempt) -> Status {
    Status removed = inner().remove(key);
    if (!removed && removed.error().code() == ErrorCode::not_found && attempt > 0) return {};
    return removed;
  });
}

Result<std::unique_ptr<StoreLock>> RetryStore::try_lock(LockMode mode) {
  std::optional<Error> busy;
  auto locked = repeated([&](uint32_t) -> Result<std::unique_ptr<StoreLock>> {
    auto result = inner().try_lock(mode);
    if (result || result.error().code() != ErrorCode::busy) return result;
    busy = std::move(result.error());
    return std::unique_ptr<StoreLock>();  // An answer, if not the one wished for: ends the repetition.
  });
  if (busy) return *std::move(busy);
  return locked;
}

}  // namespace holdfast::store
