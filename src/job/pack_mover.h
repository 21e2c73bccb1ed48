// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <set>
#include <vector>

#include "job/collect.h"
#include "job/collect_plan.h"
#include "job/observer.h"
#include "vault/repacker.h"
#include "vault/vault.h"

namespace holdfast::job {

struct MovedPacks {
  std::set<ObjectId> from;         // What was in use in them stands elsewhere now, and the index says so.
  uint64_t from_bytes = 0;         // Their size.
  uint64_t live_bytes = 0;         // Of these: in use.
  uint64_t written_packs = 0, written_bytes = 0;
  bool no_space = false;           // The store was too full to move the rest.
};

// Moves what is in use out of packs into new ones, as ciphertext, and names those in index segments.
class PackMover {
 public:
  // `live` says what is in use; all outlive the mover.
  PackMover(vault::Vault& vault, vault::Vault::Domain& domain, const LiveSet& live, const CollectRequest& request,
            Observer& observer)
      : vault_(vault), domain_(domain), live_(live), request_(request), observer_(observer) {}

  // Moves `plan.repack`. A pack whose bytes are not what its name says stays, and is told to the observer. After an
  // error what no segment names yet has not moved, and was written as orphans.
  Result<MovedPacks> run(const CollectPlan& plan);

 private:
  using Packs = std::vector<const PackUse*>;
  Status move_all(const CollectPlan& plan, vault::PackKind kind);
  Status move_some(const Packs& packs, vault::Repacker& repacker);
  Status move_pack(const format::PackInfo& pack, ByteView whole, const std::vector<format::ChunkLocation>& live,
                   vault::Repacker& repacker);
  Status finish_packs(vault::Repacker& repacker);
  Status write_segment();

  vault::Vault& vault_;
  vault::Vault::Domain& domain_;
  const LiveSet& live_;
  const CollectRequest& request_;
  Observer& observer_;
  MovedPacks moved_;
  format::SegmentContents written_;  // What no segment names yet,
  Packs copied_;                     // and from where that came.
};

}  // namespace holdfast::job
