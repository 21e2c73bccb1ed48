// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <set>
#include <stop_token>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "vault/vault.h"

namespace holdfast::job {

// What of a recovery point has its home in packs that are lost.
struct LostContent {
  // Nodes of its tree or scan state are gone, or so much that it comes to the same: nothing can be built upon it.
  bool is_tree_lost = false;
  std::set<Bytes> keys;  // Entries whose content is not whole.
  struct Id {
    format::ShortId id{};
    bool is_piece = false;
  };
  std::vector<Id> ids;  // What they miss, each time it is named.
};

// Walks the whole point, so only where there is something lost. Reads no content.
Result<LostContent> find_lost_content(vault::Vault::Domain& domain, const vault::PointInfo& point,
                                      const std::set<ObjectId>& lost_packs, const std::stop_token& stop);

// How many of `ids` have a home again that is not in `lost_packs`.
uint64_t count_healed(vault::Vault::Domain& domain, const std::vector<LostContent::Id>& ids,
                      const std::set<ObjectId>& lost_packs);

}  // namespace holdfast::job
