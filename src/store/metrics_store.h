// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <atomic>
#include <chrono>

#include "base/seams.h"
#include "store/decorator.h"

namespace holdfast::store {

struct OperationMetrics {
  uint64_t call_count = 0;
  uint64_t failure_count = 0;  // Every error, also `not_found` and `conflict`.
  uint64_t bytes = 0;          // Of objects, sent by create() and received by get() and read(), when they succeed.
  std::chrono::nanoseconds time{0};  // Spent inside, summed over threads.
};
using StoreMetrics = std::array<OperationMetrics, operation_count>;  // By Operation.

// Counts what is done to a store and how long it takes.
class MetricsStore : public Decorator {
 public:
  // `clock` must outlive this.
  MetricsStore(std::unique_ptr<ObjectStore> inner, Clock& clock) : Decorator(std::move(inner)), clock_(clock) {}

  // A moment's values; calls that are running are not in them.
  StoreMetrics metrics() const;

  Status create(std::string_view key, std::span<const ByteView> parts) override;
  Result<Bytes> get(std::string_view key, std::optional<Range> range) override;
  Status read(std::string_view key, uint64_t offset_bytes, MutableByteView out) override;
  Result<ObjectInfo> stat(std::string_view key) override;
  Status list(std::string_view prefix, std::string_view after,
              const std::function<Status(const ObjectInfo&)>& visit) override;
  Status remove(std::string_view key) override;
  Result<std::unique_ptr<StoreLock>> try_lock(LockMode mode) override;

 private:
  struct Counters {
    std::atomic<uint64_t> call_count = 0, failure_count = 0, bytes = 0, nanoseconds = 0;
  };
  template <class Call>
  auto measured(Operation operation, const Call& call);
  void add_bytes(Operation operation, uint64_t bytes);

  Clock& clock_;
  std::array<Counters, operation_count> counters_;
};

}  // namespace holdfast::store
