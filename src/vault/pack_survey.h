// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <set>
#include <string>
#include <unordered_map>

#include "base/result.h"
#include "format/log_record.h"
#include "store/overview.h"
#include "vault/index.h"
#include "vault/names.h"

namespace holdfast::vault {

// What the log calls a pack that the index names.
inline format::PackName name_of(const format::PackInfo& pack) { return {pack.kind, pack.author, pack.id}; }
std::string pack_key(DomainId domain, const format::PackName& pack);

// Whether the object is there, and no shorter than so much, by asking the store for it alone: what others store, move
// or mend just now a listing may show too short or not at all. False: it is lost. A failure says that nobody can know
// at present, such as while devices are away.
Result<bool> is_stored(store::ObjectStore& store, const std::string& key, uint64_t size_bytes);

// Which packs of a domain the store has: by a listing of names, however many points lean on them.
class PackSurvey {
 public:
  // `store`, which `seen` shows, must outlive the survey.
  static Result<PackSurvey> take(store::ObjectStore& store, const store::Overview& seen, DomainId domain);

  // Whether the pack is there, and not shorter than it must be. Fails as is_stored().
  Result<bool> holds(const format::PackName& pack, uint64_t size_bytes) const;
  // The packs that the index names, that the log has neither condemned nor purged, and that the store does not hold. To
  // see only true losses, the index must have been loaded before the packs were listed: packs come before the segments
  // that name them. Fails as is_stored().
  Result<std::set<ObjectId>> lost(const Index& index) const;

 private:
  PackSurvey(store::ObjectStore& store, DomainId domain) : store_(&store), domain_(domain) {}
  store::ObjectStore* store_;
  DomainId domain_;
  std::unordered_map<ObjectId, uint64_t> size_bytes_;
};

}  // namespace holdfast::vault
