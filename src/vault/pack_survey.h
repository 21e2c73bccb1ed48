// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <set>
#include <unordered_map>

#include "base/result.h"
#include "store/overview.h"
#include "vault/index.h"
#include "vault/names.h"

namespace holdfast::vault {

// Which packs of a domain the store has: by a listing of names, however many points lean on them.
class PackSurvey {
 public:
  static Result<PackSurvey> take(const store::Overview& seen, DomainId domain);

  // Whether the pack is there, and not shorter than it must be.
  bool holds(const ObjectId& pack, uint64_t size_bytes) const;
  // The packs that the index names, that the log has neither condemned nor purged, and that the store does not hold. To
  // see only true losses, the index must have been loaded before the packs were listed: packs come before the segments
  // that name them.
  std::set<ObjectId> lost(const Index& index) const;

 private:
  std::unordered_map<ObjectId, uint64_t> size_bytes_;
};

}  // namespace holdfast::vault
