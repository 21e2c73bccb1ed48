// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "base/result.h"
#include "vault/vault.h"

// Recovery points as a read-only file system, by FUSE.
namespace holdfast::mount {

struct MountRequest {
  std::string directory;
  std::vector<vault::PointInfo> points;    // Oldest first. What comes later is not shown.
  std::optional<ObjectId> latest;          // Of them; none: there is no link to it.
  bool allow_other = false;                // Other users see it too, by the modes of the files.
  size_t cache_size_bytes = 128 << 20;
  unsigned worker_count = 0;               // 0: one for each processor, within bounds.
  std::stop_token stop;
  std::function<void()> mounted;           // Called once it can be used.
};

// Serves until someone unmounts it or a stop is asked for; unmounted on return. `unsupported` where FUSE cannot be had.
Status run_mount(vault::Vault& vault, const MountRequest& request);

}  // namespace holdfast::mount
