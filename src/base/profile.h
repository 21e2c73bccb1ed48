// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <string_view>

// Where the time of a run goes, by stage. Off unless somebody asks: a null Profile costs one comparison a stage.
namespace holdfast {

enum class Stage : uint8_t { scan, read, cut, hash, look_up, compress, seal, check, write, tree };
inline constexpr size_t stage_count = 10;
std::string_view to_string(Stage stage);

// Sums over all threads. Any thread may add; totals are exact once the threads have ended.
class Profile {
 public:
  using ReadClock = std::chrono::nanoseconds (*)();
  struct Total {
    uint64_t cpu_ns = 0;
    uint64_t elapsed_ns = 0;  // Waiting included.
    uint64_t count = 0;
  };

  // `thread_cpu` tells the calling thread's processor time, `elapsed` is any clock that never goes back.
  Profile(ReadClock thread_cpu, ReadClock elapsed) : thread_cpu_(thread_cpu), elapsed_(elapsed) {}
  Total total(Stage stage) const;

 private:
  friend class StageTimer;
  struct Sum {
    std::atomic<uint64_t> cpu_ns = 0, elapsed_ns = 0, count = 0;
  };
  const ReadClock thread_cpu_, elapsed_;
  std::array<Sum, stage_count> sums_;
};

// Counts its own lifetime to a stage, but for that of timers within it on the same thread.
class StageTimer {
 public:
  StageTimer(Profile* profile, Stage stage) : profile_(profile), stage_(stage) {
    if (profile_ != nullptr) [[unlikely]] begin();
  }
  ~StageTimer() {
    if (profile_ != nullptr) [[unlikely]] end();
  }
  StageTimer(const StageTimer&) = delete;
  StageTimer& operator=(const StageTimer&) = delete;

 private:
  void begin();
  void end();
  void start();
  void pause();
  Profile* const profile_;
  const Stage stage_;
  StageTimer* outer_ = nullptr;
  std::chrono::nanoseconds cpu_begun_{}, begun_{}, cpu_{}, elapsed_{};
};

}  // namespace holdfast
