// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <unordered_set>

#include "os/apply_metadata.h"
#include "target/filetree/run.h"

namespace holdfast::target::filetree {

// The key that `name` in `folder` has in the point; with an empty name, the folder's own.
Bytes key_of(const Run& run, const Folder& folder, const std::string& name);

// Removes what stands in `folder` but is not among `keep`, with all beneath it. Temporary files of `keep`'s names stay.
// Never leaves the folder's mount. What cannot be removed is recorded as a problem. In a dry run it is only told what
// would go.
void remove_extra(Run& run, const std::shared_ptr<Folder>& folder,
                  const std::unordered_set<std::string>& keep);

// Makes way at `name` for something of another type. `conflict` if a folder stands there that is not empty and
// deleting was not asked for.
Status make_way(Run& run, const std::shared_ptr<Folder>& folder, const std::string& name,
                const os::NodeState& there);

// Immutable and append-only files can be neither changed nor removed; takes these flags away if the policy covers them.
void clear_flags(Run& run, int dir_fd, const std::string& name, const os::NodeState& there);

}  // namespace holdfast::target::filetree
