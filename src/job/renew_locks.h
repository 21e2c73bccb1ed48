// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/result.h"
#include "job/mark.h"
#include "store/retention.h"

namespace holdfast::job {

// Where the store locks objects for a time: locks anew, for all of that time, whatever the domain's live points lean on
// (packs, its log, the key lists) and has less than half of it left. What no point needs is left to the end of its
// lock. Does nothing elsewhere.
Result<store::Renewal> renew_locks(vault::Vault& vault, const vault::Vault::Domain& domain, const Mark& mark);

}  // namespace holdfast::job
