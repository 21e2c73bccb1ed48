// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/result.h"
#include "format/log_record.h"
#include "vault/vault.h"

// Making safe what others wrote, before something leans on it (store/settle.h says why that is needed).
namespace holdfast::vault {

// Before record `number` of a log is written: the one before it and the key list that it is sealed under. A fence also
// settles the domain's index: what is known of the sessions that it ends, who may have died while they wrote, is known
// no longer after it.
Status settle_before_record(store::ObjectStore& store, const Keyring& keyring, DomainId domain, uint64_t number,
                            format::LogKind kind);

// Before `session` commits: the index segments of others that are at work or were killed.
Status settle_index(Vault& vault, Vault::Domain& domain, const format::SessionId& session);

// Before a client remembers the newest key list and log records that it has read: else it would take the store for
// rolled back when a power cut has taken them away again.
Status settle_seen(Vault& vault);

}  // namespace holdfast::vault
