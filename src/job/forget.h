// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "vault/vault.h"

namespace holdfast::job {

// Makes recovery points cease to exist; their bytes stay until a collection. All or none are checked before the first
// record is written. `refused` to agents, and where a lock or a hold keeps one of them; `not_found` for an id that is
// no live point.
Status forget_points(vault::Vault& vault, const std::vector<ObjectId>& points);

// Replaces a point's tags. `refused` to all but the owner; `not_found`.
Status annotate_point(vault::Vault& vault, const ObjectId& point, std::vector<std::string> tags);

}  // namespace holdfast::job
