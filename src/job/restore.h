// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "base/result.h"
#include "job/observer.h"
#include "job/pack_demand.h"
#include "target/target.h"
#include "vault/vault.h"

namespace holdfast::job {

struct RestoreRequest {
  EntryRange range;
  unsigned worker_count = 0;   // 0: one for each processor.
  bool dry_run = false;        // Contents are not fetched.
  // Where a part of the point's tree, or an entry of it, cannot be read the rest is restored. Not where the target
  // removes what is not in the point: it would take the lost entries for such.
  bool goes_past_lost_nodes = true;
  std::stop_token stop;
};

struct RestoreReport {
  uint64_t entry_count = 0;    // Entries placed.
  uint64_t kept_count = 0;     // Of these: right already.
  uint64_t written_bytes = 0;
  uint64_t fetched_bytes = 0;  // Plaintext fetched from the vault.
  std::vector<target::Problem> problems;
  bool damage_found = false;   // Among the problems are damaged or missing chunks.
};

// Restores a point, or part of it, through `target`. Entries that cannot be restored are problems; the rest goes on.
// A stop request ends it with `cancelled`: run it again to go on where it stopped.
Result<RestoreReport> run_restore(vault::Vault& vault, const vault::PointInfo& point, target::Target& target,
                                  const RestoreRequest& request, Observer& observer);

}  // namespace holdfast::job
