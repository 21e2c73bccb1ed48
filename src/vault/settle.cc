// SPDX-License-Identifier: Apache-2.0
#include "vault/settle.h"

#include <algorithm>

#include "store/settle.h"

namespace holdfast::vault {

namespace {

Status add_segments(store::ObjectStore& store, DomainId domain, std::vector<std::string>& keys) {
  return store.list(segment_prefix(domain), "", [&](const store::ObjectInfo& object) -> Status {
    keys.push_back(object.key);
    return {};
  });
}

}  // namespace

Status settle_before_record(store::ObjectStore& store, const Keyring& keyring, DomainId domain, uint64_t number,
                            format::LogKind kind) {
  if (!store::needs_settling(store)) return {};
  std::vector<std::string> keys{key_list_key(keyring.key_list_number())};
  if (number > 1) keys.push_back(log_key(domain, number - 1));
  if (kind == format::LogKind::fence) TRY_DO(add_segments(store, domain, keys));
  return store::settle(store, keys);
}

Status settle_index(Vault& vault, Vault::Domain& domain, const format::SessionId& session) {
  if (!store::needs_settling(vault.store())) return {};
  TRY_DO(domain.log().refresh());
  const auto& sessions = domain.log().sessions();
  const bool is_alone =
      std::all_of(sessions.begin(), sessions.end(), [&](const auto& one) { return one.first == session; });
  if (is_alone) return {};
  std::vector<std::string> keys;
  TRY_DO(add_segments(vault.store(), domain.id(), keys));
  return store::settle(vault.store(), keys);
}

Status settle_seen(Vault& vault) {
  std::vector<std::string> keys{key_list_key(vault.keyring().key_list_number())};
  for (const DomainId id : vault.keyring().domains()) {
    const uint64_t number = TRY(vault.domain(id))->log().head().number;
    if (number > 0) keys.push_back(log_key(id, number));
  }
  return store::settle(vault.store(), keys);
}

}  // namespace holdfast::vault
