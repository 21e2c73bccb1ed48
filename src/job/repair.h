// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <stop_token>

#include "base/result.h"
#include "format/index_segment.h"
#include "job/observer.h"
#include "vault/vault.h"

namespace holdfast::job {

struct RepairRequest {
  bool apply = false;      // Otherwise it is only found out what would be done.
  // Compare every pack with its name and, as far as our keys reach, every record with its id; without it only those
  // that are missing or of another size.
  bool read_data = false;
  // The vault is seen through a folder of one's own, which takes what is written: whoever may only read may do that.
  bool into_copy = false;
  // What was found is named in the index each time that it fills so much.
  uint64_t segment_size_bytes = format::segment_size_bytes_aim;
  std::stop_token stop;
};

struct RepairReport {
  uint64_t packs = 0;              // In the store.
  uint64_t packs_indexed = 0;      // That no good segment named; their signed contents are in the index again.
  uint64_t packs_unreadable = 0;   // That nothing can be learnt from, and that no segment named.
  uint64_t packs_unjudged = 0;     // That could not be read now, or that our keys cannot judge; they stay as they are.
  uint64_t packs_missing = 0;      // Named by the index, gone from the store.
  uint64_t packs_damaged = 0;
  uint64_t records_salvaged = 0;   // Moved out of damaged packs into good ones.
  uint64_t records_lost = 0;       // That no longer open.
  uint64_t segments_set_aside = 0; // Damaged ones, now beneath quarantine/, or gone if nothing of them could be read.
  uint64_t segments_unjudged = 0;  // That do not open here, but may for others; they stay as they are.
};

// Makes of a vault what can be made of it: the index from the signed contents of packs, good copies of what still opens
// in damaged packs, and no index entry left for what does not. What is lost a later backup of the same data stores anew
// (of damaged packs only one that reads everything), and heals every point that needs it. Adds and sets aside; nothing
// that might still be of use is removed: what is only unreadable now, or beyond our keys, stays as it is. Safe beside
// writers, and may be interrupted and repeated. `refused` to agents.
Result<RepairReport> run_repair(vault::Vault& vault, const RepairRequest& request, Observer& observer);

}  // namespace holdfast::job
