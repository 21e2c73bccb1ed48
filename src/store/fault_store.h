// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <vector>

#include "base/mutex.h"
#include "store/decorator.h"

namespace holdfast::store {

enum class Fault : uint8_t {
  fail,      // Nothing is done; `code` is returned.
  fail_late, // All is done, and `code` is returned: the answer was lost.
  flip_bit,  // One bit is wrong: in what get() and read() return, in what create() stores. Success is reported.
  cut_short, // create() stores only the beginning and reports success; get() of a whole object returns only that.
  drop,      // create() and remove() report success and do nothing: storage that lies.
};

// The calls of `operation` numbered first..last (from 1, counted by operation) suffer `fault`.
struct FaultRule {
  Operation operation = Operation::create;
  uint64_t first = 1;
  uint64_t last = 1;
  Fault fault = Fault::fail;
  ErrorCode code = ErrorCode::io;
};

struct FaultPlan {
  std::vector<FaultRule> rules;     // The first that fits a call counts.
  uint32_t fail_per_mille = 0;      // Of the other calls, so many fail with `io`, half of them late.
  uint64_t seed = 1;                // Chooses those, and the bits to flip. Equal seeds, equal faults (on one thread).
};

// Stands in for bad storage in tests. Stricter than real stores: it refuses a key or prefix that breaks the rules
// before the store behind may be lenient about it. A fault that has no meaning for an operation acts as `fail`.
class FaultStore : public Decorator {
 public:
  FaultStore(std::unique_ptr<ObjectStore> inner, FaultPlan plan);

  // Calls so far, failed ones included.
  uint64_t call_count(Operation operation) const EXCLUDES(mutex_);

  Status create(std::string_view key, std::span<const ByteView> parts) override;
  Result<Bytes> get(std::string_view key, std::optional<Range> range) override;
  Status read(std::string_view key, uint64_t offset_bytes, MutableByteView out) override;
  Result<ObjectInfo> stat(std::string_view key) override;
  Status list(std::string_view prefix, std::string_view after,
              const std::function<Status(const ObjectInfo&)>& visit) override;
  Status remove(std::string_view key) override;
  Result<std::unique_ptr<StoreLock>> try_lock(LockMode mode) override;

 private:
  struct Fate {
    bool is_spared = true;
    Fault fault = Fault::fail;
    ErrorCode code = ErrorCode::io;
    uint64_t random = 0;
  };
  Fate draw(Operation operation) EXCLUDES(mutex_);
  uint64_t next_random() REQUIRES_LOCK(mutex_);
  Status create_damaged(std::string_view key, std::span<const ByteView> parts, const Fate& fate);

  const FaultPlan plan_;
  mutable Mutex mutex_;
  std::array<uint64_t, operation_count> call_counts_ GUARDED_BY(mutex_){};
  uint64_t random_state_ GUARDED_BY(mutex_);
};

}  // namespace holdfast::store
