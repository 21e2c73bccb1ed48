// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <set>
#include <stop_token>
#include <string>
#include <vector>

#include "base/result.h"
#include "job/pack_demand.h"
#include "store/archive_tier.h"
#include "vault/vault.h"

namespace holdfast::job {

// What a restore meets in an archive: which packs, in what state.
struct ThawPlan {
  std::map<std::string, store::PlannedRead> packs;  // All that the restore reads.
  std::vector<store::ArchivedObject> archived;      // Those of them that are archived, thawed or not.

  uint64_t count(store::ThawState state) const;
  uint64_t size_bytes(store::ThawState state) const;
  // Nothing stands in the restore's way.
  bool is_ready() const { return count(store::ThawState::frozen) + count(store::ThawState::under_way) == 0; }
};

// How sure a plan is to be: a store that, as far as it knows, archives nothing need not be asked.
enum class ThawLook : uint8_t { if_likely, always };

// Reads the point's tree, and how the packs are kept that hold the contents of `range`. Changes nothing.
Result<ThawPlan> plan_thaw(vault::Vault& vault, const vault::PointInfo& point, const EntryRange& range, ThawLook look,
                           const std::stop_token& stop);

struct ThawReport {
  uint64_t asked_count = 0;
  uint64_t asked_bytes = 0;
};

// Asks for all that is frozen, whichever class it is in. What was asked for stays asked for: stopped, or run again, it
// goes on with the rest. `cancelled` on a stop request.
Result<ThawReport> run_thaw(vault::Vault& vault, const ThawPlan& plan, const store::ThawRequest& request,
                            const std::stop_token& stop);

}  // namespace holdfast::job
