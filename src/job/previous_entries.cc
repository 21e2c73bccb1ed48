// SPDX-License-Identifier: Apache-2.0
#include "job/previous_entries.h"

#include "format/entry.h"
#include "tree/node_walker.h"

namespace holdfast::job {

Result<Bytes> TreeEntries::attributes() {
  auto entry = format::decode_entry(cursor_.entry().value);
  if (!entry) return std::move(entry.error());
  return std::move(entry->attributes);
}

// Leaves are counted by what their parents say of them and not read.
Result<std::vector<Bytes>> TreeEntries::split(uint64_t entry_count) {
  std::vector<Bytes> keys;
  uint64_t gathered = 0;
  tree::NodeWalker walker(nodes_);
  walker.open(root_);
  while (!walker.at_end()) {
    const bool is_small = walker.height() == 1 || walker.child().entry_count <= entry_count / 2;
    if (walker.at_root() && !is_small) {
      TRY_DO(walker.enter());
      continue;
    }
    if (walker.at_root()) break;
    if (!is_small) {
      TRY_DO(walker.enter());
      continue;
    }
    gathered += walker.child().entry_count;
    if (gathered >= entry_count) {
      keys.push_back(to_bytes(walker.key()));
      gathered = 0;
    }
    walker.skip();
  }
  return keys;
}

}  // namespace holdfast::job
