// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/seams.h"
#include "store/object_store.h"

// Reads all that a store holds, in the order of keys, has each object checked by its store and what is damaged built
// anew. Needs no key of the vault: packs and segments are named by their hash, and redundancy carries checksums.
// Where no rate is given two objects are under way at a time, so that one is read while the other is checked; what is
// found is told in the order of keys all the same.
namespace holdfast::job {

struct ScrubRequest {
  std::string after = {};  // Begin with the first key behind this one.
  // Stop between two objects when so much has passed.
  std::optional<std::chrono::nanoseconds> time_max = {};
  uint64_t bytes_per_second_max = 0;  // 0: as fast as it goes.
  store::Repair repair = store::Repair::write_back;
  std::stop_token stop = {};
};

struct ScrubFinding {
  std::string key;
  Error error;
};

struct ScrubReport {
  uint64_t objects = 0;
  uint64_t read_bytes = 0;
  uint64_t damaged_objects = 0;    // Of which some part was wrong or missing, but nothing is lost.
  uint64_t damaged_parts = 0;
  uint64_t repaired_parts = 0;
  uint64_t moved_parts = 0;
  uint64_t thin_objects = 0;       // That have less redundancy than they should, still.
  uint64_t unfinished_objects = 0; // Left by writers that were killed; or what is left of lost ones.
  uint64_t archived_objects = 0;   // To be thawed before they are read.
  uint64_t unread_count = 0;       // Objects whose bytes could not be read though the store answers.
  uint64_t lost_count = 0;         // Objects that cannot be had back.
  std::vector<ScrubFinding> unread, lost;  // The first of them.
  std::string last_key;            // The last one looked at.
  bool is_complete = false;        // The end was reached.
  std::optional<Error> failure;    // The store answered no more: the object behind last_key is as unknown as the rest.
};

// Fails where not even a first object can be asked for.
Result<ScrubReport> run_scrub(store::ObjectStore& store, Clock& clock, const ScrubRequest& request);

// When which keys were read last. Runs are kept as ranges of keys, so that it stays small however large the vault is.
class ScrubLedger {
 public:
  struct Run {
    UnixTimeNs time = 0;
    uint64_t objects = 0;
    uint64_t lost_count = 0;
    uint64_t unread_count = 0;  // Passed over, so that the run proves nothing of its keys.
    std::string after;  // Keys behind this one ...
    std::string up_to;  // ... up to this one; empty: to the end.
  };

  static Result<ScrubLedger> decode(ByteView text);
  Bytes encode() const;

  // Where the next run begins: behind the last key examined, at the start once the end was reached.
  const std::string& cursor() const { return cursor_; }
  const std::vector<Run>& runs() const { return runs_; }  // Oldest first.
  void add(Run run);

  std::optional<UnixTimeNs> verified_at(std::string_view key) const;
  // The oldest of all keys' times; nothing while some key may never have been read.
  std::optional<UnixTimeNs> all_verified_since() const;

 private:
  std::string cursor_;
  std::vector<Run> runs_;
};

}  // namespace holdfast::job
