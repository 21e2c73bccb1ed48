// SPDX-License-Identifier: Apache-2.0
#include "vault/pack_survey.h"

namespace holdfast::vault {

std::string pack_key(DomainId domain, const format::PackName& pack) {
  return pack_key(static_cast<PackKind>(pack.kind), domain, AuthorId{pack.author}, pack.id);
}

Result<bool> is_stored(store::ObjectStore& store, const std::string& key, uint64_t size_bytes) {
  const auto info = store.stat(key);
  if (info) return info->size_bytes >= size_bytes;
  const ErrorCode why = info.error().code();
  if (why == ErrorCode::not_found || why == ErrorCode::corrupt) return false;
  return info.error();
}

Result<PackSurvey> PackSurvey::take(store::ObjectStore& store, const store::Overview& seen, DomainId domain) {
  PackSurvey survey(store, domain);
  for (const PackKind kind : {PackKind::data, PackKind::metadata}) {
    TRY_DO(seen.list(pack_prefix(kind, domain), "", [&](const store::ObjectInfo& object) -> Status {
      if (const auto name = parse_object_key(object.key)) survey.size_bytes_[name->id] = object.size_bytes;
      return {};
    }));
  }
  return survey;
}

Result<bool> PackSurvey::holds(const format::PackName& pack, uint64_t size_bytes) const {
  const auto found = size_bytes_.find(pack.id);
  if (found != size_bytes_.end() && found->second >= size_bytes) return true;
  return is_stored(*store_, pack_key(domain_, pack), size_bytes);
}

Result<std::set<ObjectId>> PackSurvey::lost(const Index& index) const {
  std::set<ObjectId> ids;
  const TableList list = index.list();
  for (const auto& table : list.tables()) {
    for (const format::PackInfo& pack : table->view().packs()) {
      // The condemned may be purged at any moment, and nobody leans on them.
      if (list.fate_of(pack.id) != PackFate::stored || ids.contains(pack.id)) continue;
      if (!TRY(holds(name_of(pack), pack.size_bytes))) ids.insert(pack.id);
    }
  }
  return ids;
}

}  // namespace holdfast::vault
