// SPDX-License-Identifier: Apache-2.0
#include "vault/pack_survey.h"

namespace holdfast::vault {

Result<PackSurvey> PackSurvey::take(const store::Overview& seen, DomainId domain) {
  PackSurvey survey;
  for (const PackKind kind : {PackKind::data, PackKind::metadata}) {
    TRY_DO(seen.list(pack_prefix(kind, domain), "", [&](const store::ObjectInfo& object) -> Status {
      if (const auto name = parse_object_key(object.key)) survey.size_bytes_[name->id] = object.size_bytes;
      return {};
    }));
  }
  return survey;
}

bool PackSurvey::holds(const ObjectId& pack, uint64_t size_bytes) const {
  const auto found = size_bytes_.find(pack);
  return found != size_bytes_.end() && found->second >= size_bytes;
}

std::set<ObjectId> PackSurvey::lost(const Index& index) const {
  std::set<ObjectId> ids;
  const TableList list = index.list();
  for (const auto& table : list.tables()) {
    for (const format::PackInfo& pack : table->view().packs()) {
      // The condemned may be purged at any moment, and nobody leans on them.
      if (list.fate_of(pack.id) != PackFate::stored) continue;
      if (!holds(pack.id, pack.size_bytes)) ids.insert(pack.id);
    }
  }
  return ids;
}

}  // namespace holdfast::vault
