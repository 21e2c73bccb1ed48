// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <stop_token>
#include <vector>

#include "base/result.h"
#include "job/observer.h"
#include "vault/vault.h"

namespace holdfast::job {

// Forgotten points that may still be had back, oldest first. Refreshes the logs.
Result<std::vector<vault::ForgottenPoint>> forgotten_points(vault::Vault& vault);

// Brings forgotten points back, each only if all that it leans on is still there: every tree and chunk is looked up.
// `refused` to agents; `not_found` for an id that is no forgotten point or whose bytes were purged; `corrupt` if
// something of it is missing. All are checked before the first comes back.
Status undelete_points(vault::Vault& vault, const std::vector<ObjectId>& points, Observer& observer,
                       std::stop_token stop);

}  // namespace holdfast::job
