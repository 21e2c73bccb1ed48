// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "vault/vault.h"

// What keeps points from being forgotten. Both are records of the log, which every reader judges for itself: a record
// that forgets a locked or held point is ignored with an alarm, whoever wrote it.
namespace holdfast::job {

// Puts a legal hold on points, or lifts it. `refused` to all but the owner; `not_found` for an id that is no live
// point.
Status hold_points(vault::Vault& vault, const std::string& name, const std::vector<ObjectId>& points, bool lift);

struct DomainLock {
  vault::DomainId domain = 0;
  vault::VaultLock lock;
  bool is_final = false;      // Of compliance: the time to take it back has passed.
  uint64_t kept_points = 0;   // That it keeps now.
  uint64_t overdue_points = 0;  // Older than its longest retention.
};
// Of every domain. Refreshes the logs.
Result<std::vector<DomainLock>> vault_locks(vault::Vault& vault);
// Sets the lock of every domain. `refused` to all but the owner, and where the lock there is forbids it; then no domain
// is changed.
Status set_vault_lock(vault::Vault& vault, const format::LockBody& terms);

}  // namespace holdfast::job
