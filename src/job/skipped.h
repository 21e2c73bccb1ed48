// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"
#include "vault/vault.h"

// What a backup could not read. A point has no entries for it, or older ones, and remembers its keys in its state: that
// it is not in the point does not say that it was not there.
namespace holdfast::job {

// The keys under which a point's state remembers what was skipped: read again next time whatever its attributes say.
inline constexpr std::byte skipped_key_prefix{2};
// As many are remembered, with their reasons; beyond, they are only counted.
inline constexpr size_t skips_kept_max = 100'000;

// Calls `visit` with the key of each in the point, and the reason.
Status for_skipped(vault::Vault& vault, const vault::PointInfo& point,
                   const std::function<Status(ByteView key, std::string_view reason)>& visit);

// For restores that remove what is not in the point: false for what the backup could not read, and all beneath it.
// `refused` if not all of that is known.
Result<std::function<bool(ByteView key)>> path_deletion_guard(vault::Vault& vault, const vault::PointInfo& point);
// The same for keys of a bucket's objects; false too for keys that the backup was not asked for.
Result<std::function<bool(std::string_view key)>> object_deletion_guard(vault::Vault& vault,
                                                                        const vault::PointInfo& point);

}  // namespace holdfast::job
