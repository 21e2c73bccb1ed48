// SPDX-License-Identifier: Apache-2.0
#include "store/metrics_store.h"

namespace holdfast::store {

template <class Call>
auto MetricsStore::measured(Operation operation, const Call& call) {
  Counters& counters = counters_[static_cast<size_t>(operation)];
  const std::chrono::nanoseconds start = clock_.monotonic();
  auto result = call();
  counters.nanoseconds += static_cast<uint64_t>((clock_.monotonic() - start).count());
  ++counters.call_count;
  if (!result) ++counters.failure_count;
  return result;
}

void MetricsStore::add_bytes(Operation operation, uint64_t bytes) {
  counters_[static_cast<size_t>(operation)].bytes += bytes;
}

StoreMetrics MetricsStore::metrics() const {
  StoreMetrics metrics;
  for (size_t at = 0; at < operation_count; ++at) {
    const Counters& counters = counters_[at];
    metrics[at] = {.call_count = counters.call_count,
                   .failure_count = counters.failure_count,
                   .bytes = counters.bytes,
                   .time = std::chrono::nanoseconds(counters.nanoseconds)};
  }
  return metrics;
}

Status MetricsStore::create(std::string_view key, std::span<const ByteView> parts) {
  Status done = measured(Operation::create, [&] { return inner().create(key, parts); });
  if (done) add_bytes(Operation::create, total_size_bytes(parts));
  return done;
}

Result<Bytes> MetricsStore::get(std::string_view key, std::optional<Range> range) {
  Result<Bytes> got = measured(Operation::get, [&] { return inner().get(key, range); });
  if (got) add_bytes(Operation::get, got->size());
  return got;
}

Status MetricsStore::read(std::string_view key, uint64_t offset_bytes, MutableByteView out) {
  Status done = measured(Operation::read, [&] { return inner().read(key, offset_bytes, out); });
  if (done) add_bytes(Operation::read, out.size());
  return done;
}

Result<ObjectInfo> MetricsStore::stat(std::string_view key) {
  return measured(Operation::stat, [&] { return inner().stat(key); });
}

Status MetricsStore::list(std::string_view prefix, std::string_view after,
                          const std::function<Status(const ObjectInfo&)>& visit) {
  return measured(Operation::list, [&] { return inner().list(prefix, after, visit); });
}

Status MetricsStore::remove(std::string_view key) {
  return measured(Operation::remove, [&] { return inner().remove(key); });
}

Result<std::unique_ptr<StoreLock>> MetricsStore::try_lock(LockMode mode) {
  return measured(Operation::try_lock, [&] { return inner().try_lock(mode); });
}

}  // namespace holdfast::store
