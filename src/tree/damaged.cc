// SPDX-License-Identifier: Apache-2.0
#include "tree/damaged.h"

#include "tree/node_walker.h"

namespace holdfast::tree {

namespace {

// From a node down to the first entry that may be wanted, past whatever cannot be entered.
Status descend(NodeWalker& walker, ByteView from, const std::function<Status(const LostNode&)>& lost) {
  while (!walker.at_end() && walker.height() > 0) {
    if (!walker.at_root() && compare(walker.key(), from) < 0) {
      walker.skip();
      continue;
    }
    const Status entered = walker.enter();
    if (entered) continue;
    if (entered.error().code() != ErrorCode::corrupt && entered.error().code() != ErrorCode::not_found) return entered;
    const ByteView last_key = walker.at_root() ? ByteView() : walker.key();
    TRY_DO(lost({.last_key = last_key, .entry_count = walker.child().entry_count, .error = entered.error()}));
    walker.skip();
  }
  return {};
}

}  // namespace

Status for_range_of_damaged(NodeStore& nodes, const Root& root, ByteView from, ByteView to,
                            const std::function<Status(const EntryView&)>& visit,
                            const std::function<Status(const LostNode&)>& lost) {
  NodeWalker walker(nodes);
  walker.open(root);
  for (; !walker.at_end(); walker.skip()) {
    TRY_DO(descend(walker, from, lost));
    if (walker.at_end()) break;
    if (!to.empty() && compare(walker.key(), to) >= 0) break;
    if (compare(walker.key(), from) >= 0) TRY_DO(visit({walker.key(), walker.value()}));
  }
  return {};
}

}  // namespace holdfast::tree
