// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <string>

#include "base/error.h"

namespace holdfast::job {

// Where a flow says what it is doing, for whoever shows it. Counters only grow while a run goes on and may be read
// from any thread.
struct Progress {
  std::atomic<uint64_t> entries_done = 0;
  std::atomic<uint64_t> entries_expected = 0;  // 0: not known. Of a backup: as many as its parent has.
  std::atomic<uint64_t> bytes_done = 0;        // Read from the source or written to the target.
  std::atomic<uint64_t> bytes_expected = 0;
  std::atomic<uint64_t> problems = 0;
};

// Events of a run, delivered in order of happening on any of the run's threads, one at a time.
class Observer {
 public:
  virtual ~Observer() = default;
  // An item was left out of a backup or restore.
  virtual void skipped(const std::string& name, const Error& error) = 0;
  // What becomes of an entry: "new", "changed", "unchanged" or "removed". Only called where `wants_entries` says so; of
  // what a backup finds unchanged, and beneath a folder that it removes, nothing is told.
  virtual void entry_done(const std::string& name, std::string_view action, uint64_t size_bytes) = 0;
  virtual bool wants_entries() const { return false; }

  Progress progress;
};

// For callers that want none of it.
class SilentObserver : public Observer {
 public:
  void skipped(const std::string&, const Error&) override {}
  void entry_done(const std::string&, std::string_view, uint64_t) override {}
};

}  // namespace holdfast::job
