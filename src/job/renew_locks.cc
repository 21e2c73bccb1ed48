// SPDX-License-Identifier: Apache-2.0
#include "job/renew_locks.h"

#include "store/decorator.h"
#include "vault/names.h"

namespace holdfast::job {

Result<store::Renewal> renew_locks(vault::Vault& vault, const vault::Vault::Domain& domain, const Mark& mark) {
  store::Renewal renewal;
  auto* const retaining = store::find_interface<store::Retaining>(vault.store());
  if (retaining == nullptr || !TRY(retaining->retention_terms())) return renewal;
  std::vector<std::string> keys;
  for (const format::PackName& pack : mark.packs_in_use()) {
    keys.push_back(vault::pack_key(static_cast<vault::PackKind>(pack.kind), domain.id(), vault::AuthorId{pack.author},
                                   pack.id));
  }
  for (const std::string& prefix : {vault::log_prefix(domain.id()), vault::key_list_prefix()}) {
    TRY_DO(vault.store().list(prefix, "", [&](const store::ObjectInfo& object) -> Status {
      keys.push_back(object.key);
      return {};
    }));
  }
  return retaining->renew(keys).during("renew locks");
}

}  // namespace holdfast::job
