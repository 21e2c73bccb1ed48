// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <set>
#include <stop_token>

#include "job/collect_plan.h"
#include "job/observer.h"
#include "vault/repacker.h"
#include "vault/vault.h"

namespace holdfast::job {

struct MovedPacks {
  std::set<ObjectId> from;         // What was in use in them stands elsewhere now.
  uint64_t from_bytes = 0;         // Their size.
  uint64_t live_bytes = 0;         // Of these: in use.
  uint64_t written_packs = 0, written_bytes = 0;
};

// Moves what is in use out of packs into new ones, as ciphertext, and names those in an index segment.
class PackMover {
 public:
  // `live` says what is in use; all outlive the mover.
  PackMover(vault::Vault& vault, vault::Vault::Domain& domain, const LiveSet& live, Observer& observer,
            std::stop_token stop)
      : vault_(vault), domain_(domain), live_(live), observer_(observer), stop_(std::move(stop)) {}

  // Moves `plan.repack`. A pack whose bytes are not what its name says stays, and is told to the observer. The segment
  // is written last: after an error (`no_space`, among others) nothing has moved, and what was written is orphans.
  Result<MovedPacks> run(const CollectPlan& plan);

 private:
  Status move_all(const CollectPlan& plan, vault::PackKind kind);
  Status move_pack(const PackUse& pack, const std::vector<format::ChunkLocation>& live, vault::Repacker& repacker);

  vault::Vault& vault_;
  vault::Vault::Domain& domain_;
  const LiveSet& live_;
  Observer& observer_;
  const std::stop_token stop_;
  MovedPacks moved_;
  format::SegmentContents written_;
};

}  // namespace holdfast::job
