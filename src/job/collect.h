// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <optional>
#include <stop_token>
#include <vector>

#include "base/result.h"
#include "format/index_segment.h"
#include "job/observer.h"
#include "vault/vault.h"

namespace holdfast::job {

// Which sessions a collection ends, so that it need not wait for them. A session that is ended loses no bytes: it is
// told so when it commits, and run again it finds what it stored.
enum class FencePolicy : uint8_t {
  idle,  // Those that show no sign of life on a store with locks, and those that began over a week ago.
  all,   // All others, also those at work.
  none,
};

struct CollectRequest {
  bool dry_run = false;               // Finds out and reports; writes nothing.
  double max_unused_percent = 5;      // So much unused room may stay in packs that are partly in use.
  uint64_t max_repack_bytes = UINT64_MAX;  // Move no more than this in one run.
  // So long what was condemned stays, by the log's clock, and forgotten points can be had back.
  std::chrono::nanoseconds keep_deleted{0};
  FencePolicy fence = FencePolicy::idle;
  // A log with alarms stops collection of its domain: what was ignored may have been a damaged recovery point. Whoever
  // has looked into them says so here.
  bool accept_alarms = false;
  // What was moved is named in the index each time that it fills so much.
  uint64_t segment_size_bytes = format::segment_size_bytes_aim;
  // After so many records of the log the next checkpoint. Whoever has no memory of the vault reads about so many one by
  // one at most.
  uint64_t checkpoint_records = 256;
  std::stop_token stop;
};

// A domain that was left as it is, because something in it cannot be read: what is not known to be dead is kept.
struct RefusedDomain {
  vault::DomainId domain = 0;
  std::optional<ObjectId> point;      // The recovery point that cannot be read; none: the log or the index.
  Error error;                        // is_made_by_newer(): nothing is wrong with the domain.
};

struct CollectReport {
  uint64_t packs_before = 0, bytes_before = 0;      // Of domains that were collected.
  uint64_t purged_packs = 0, purged_bytes = 0;      // All that were removed.
  uint64_t removed_packs = 0, removed_bytes = 0;    // Of these: nothing in them was in use.
  uint64_t repacked_packs = 0, repacked_bytes = 0;  // Of packs that were partly in use, or small.
  uint64_t moved_bytes = 0;                         // Of these: in use, and written again.
  uint64_t written_packs = 0, written_bytes = 0;
  uint64_t condemned_packs = 0, condemned_bytes = 0;  // Condemned now or earlier, and still there.
  uint64_t locked_packs = 0, locked_bytes = 0;      // Purged, but kept by the store until their locks end.
  uint64_t renewed_locks = 0;                       // Of what is in use.
  uint64_t spared_packs = 0;                        // Condemned earlier, and in use after all.
  uint64_t unused_bytes_left = 0;                   // In packs that stayed.
  uint64_t segments_before = 0, segments_after = 0;
  uint64_t fenced_sessions = 0;
  uint64_t awaited_sessions = 0;                    // At work or dead, and older than something condemned.
  bool no_space = false;                            // The store was too full to move or merge anything.
  std::vector<RefusedDomain> refused;
};

// Removes what no live recovery point leans on, in all domains that our keys open, and merges index segments: beside
// writers and other collectors, from any machine, with no lock and no trust in clocks. `refused` to agents.
// docs/decisions/0003-collection.md has the protocol and the reasons.
//
// A crash anywhere leaves a good vault, and the next collection finishes the work. A stop request is heeded between
// steps; then it ends with `cancelled`.
Result<CollectReport> run_collect(vault::Vault& vault, const CollectRequest& request, Observer& observer);

}  // namespace holdfast::job
