// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>

#include "base/seams.h"
#include "store/decorator.h"

namespace holdfast::store {

struct RetryPolicy {
  uint32_t attempt_count_max = 6;
  std::chrono::nanoseconds delay_first = std::chrono::milliseconds(100);  // Doubled for each further attempt.
  std::chrono::nanoseconds delay_max = std::chrono::seconds(20);
};

// Repeats calls that failed in a way that may pass (Error::retryable()), after a random delay between nothing and a
// bound that doubles ("full jitter"), so that many clients do not come back together.
//
// A repeated create() that meets its own earlier success, told by equal bytes, has succeeded; so has a repeated
// remove() that finds nothing. list() goes on after the last object shown; an error of the visitor is never repeated.
// try_lock() does not repeat `busy`: whether to wait for another session is the caller's to say.
class RetryStore : public Decorator {
 public:
  // `clock` and `rng` must outlive this. REQUIRES: policy.attempt_count_max > 0.
  RetryStore(std::unique_ptr<ObjectStore> inner, Clock& clock, Rng& rng, const RetryPolicy& policy)
      : Decorator(std::move(inner)), clock_(clock), rng_(rng), policy_(policy) {}

  Status create(std::string_view key, std::span<const ByteView> parts) override;
  Result<Bytes> get(std::string_view key, std::optional<Range> range) override;
  Status read(std::string_view key, uint64_t offset_bytes, MutableByteView out) override;
  Result<ObjectInfo> stat(std::string_view key) override;
  Status list(std::string_view prefix, std::string_view after,
              const std::function<Status(const ObjectInfo&)>& visit) override;
  Status remove(std::string_view key) override;
  Result<std::unique_ptr<StoreLock>> try_lock(LockMode mode) override;

 private:
  template <class Call>
  auto repeated(const Call& call);
  void wait_before(uint32_t attempt);
  Result<bool> holds(std::string_view key, std::span<const ByteView> parts);

  Clock& clock_;
  Rng& rng_;
  const RetryPolicy policy_;
};

}  // namespace holdfast::store
