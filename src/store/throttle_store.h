// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>

#include "base/mutex.h"
#include "base/seams.h"
#include "store/decorator.h"

namespace holdfast::store {

struct ThrottleLimits {
  uint64_t upload_bytes_per_second = 0;    // 0: no limit.
  uint64_t download_bytes_per_second = 0;
};

// Keeps the mean rate of object bytes below a limit, each way by itself, over all threads. The grain is one object: a
// transfer waits until those before it have had their time, then runs at full speed. What was not used is not saved up.
class ThrottleStore : public Decorator {
 public:
  // `clock` must outlive this.
  ThrottleStore(std::unique_ptr<ObjectStore> inner, Clock& clock, const ThrottleLimits& limits)
      : Decorator(std::move(inner)),
        clock_(clock),
        upload_(limits.upload_bytes_per_second),
        download_(limits.download_bytes_per_second) {}

  Status create(std::string_view key, std::span<const ByteView> parts) override;
  Result<Bytes> get(std::string_view key, std::optional<Range> range) override;
  Status read(std::string_view key, uint64_t offset_bytes, MutableByteView out) override;
  void stop_waiting_on(std::stop_token stop) override EXCLUDES(patience_mutex_);

 private:
  // One direction's timetable.
  class Lane {
   public:
    explicit Lane(uint64_t bytes_per_second) : bytes_per_second_(bytes_per_second) {}
    // Takes the time `size_bytes` need and waits for its beginning, or until `stop`.
    void enter(Clock& clock, uint64_t size_bytes, const std::stop_token& stop) EXCLUDES(mutex_);
    // Takes time for what was transferred without being announced.
    void charge(Clock& clock, uint64_t size_bytes) EXCLUDES(mutex_);

   private:
    std::chrono::nanoseconds book(std::chrono::nanoseconds now, uint64_t size_bytes) REQUIRES_LOCK(mutex_);
    const uint64_t bytes_per_second_;
    Mutex mutex_;
    std::chrono::nanoseconds free_at_ GUARDED_BY(mutex_){0};
  };

  std::stop_token patience() EXCLUDES(patience_mutex_);

  Clock& clock_;
  Mutex patience_mutex_;
  std::stop_token patience_ GUARDED_BY(patience_mutex_);
  Lane upload_;
  Lane download_;
};

}  // namespace holdfast::store
