// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <stop_token>
#include <vector>

#include "base/result.h"
#include "job/observer.h"
#include "vault/vault.h"

namespace holdfast::job {

struct CollectRequest {
  bool dry_run = false;               // Finds out and reports; writes nothing.
  double max_unused_percent = 5;      // So much unused room may stay in packs that are partly in use.
  uint64_t max_repack_bytes = UINT64_MAX;  // Move no more than this in one run.
  // A log with alarms stops collection of its domain: what was ignored may have been a damaged recovery point. Whoever
  // has looked into them says so here.
  bool accept_alarms = false;
  std::stop_token stop;
};

// A domain that was left as it is, because something in it cannot be read: what is not known to be dead is kept.
struct RefusedDomain {
  vault::DomainId domain = 0;
  std::optional<ObjectId> point;      // The recovery point that is damaged; none: the index is.
  Error error;
};

struct CollectReport {
  uint64_t packs_before = 0, bytes_before = 0;      // Of domains that were collected.
  uint64_t removed_packs = 0, removed_bytes = 0;    // Nothing in them was in use.
  uint64_t repacked_packs = 0, repacked_bytes = 0;  // Of packs that were partly in use, or small.
  uint64_t moved_bytes = 0;                         // Of these: in use, and written again.
  uint64_t written_packs = 0, written_bytes = 0;
  uint64_t unused_bytes_left = 0;                   // In packs that stayed.
  uint64_t segments_before = 0, segments_after = 0;
  uint64_t fenced_sessions = 0;
  std::vector<RefusedDomain> refused;
};

// Removes what no live recovery point leans on, in all domains that our keys open, and merges index segments. Has the
// vault to itself: `busy` if the store has locks and a session is at work; sessions left by the dead, and on stores
// without locks all others, are fenced, so that they cannot commit. `refused` to agents.
//
// What is new is durable before anything old is removed: packs, then segments, then old segments go, then old packs. A
// crash anywhere leaves a good vault, and the next collection finishes the work. A stop request is heeded until the
// first removal; then it ends with `cancelled`.
Result<CollectReport> run_collect(vault::Vault& vault, const CollectRequest& request, Observer& observer);

}  // namespace holdfast::job
