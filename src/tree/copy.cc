// SPDX-License-Identifier: Apache-2.0
#include "tree/copy.h"

namespace holdfast::tree {
namespace {

// Whether the current node, which did not end by hash alone, would end in the copy where it ends now.
//
// A leaf ends before an entry that does not fit, so that entry must stay. An inner node ends before a child that does
// not fit, so that child must stay as it is, and that in turn hangs on what follows the child. In the node after ours
// the first child, its first child and so on are all followed by another within that same node, except where it is the
// last of its level; so they stay if all entries of the node after ours stay and it is not the last.
bool ends_alike(const NodeWalker& from, const ByteView* stop, AtEnd at_end) {
  const bool all_stays = stop == nullptr && at_end == AtEnd::nothing_follows;
  if (all_stays) return true;
  const std::optional<NodeWalker::After> after = from.after();
  if (!after) return false;
  return (stop == nullptr || compare(after->key, *stop) < 0) && (from.height() == 1 || !after->last);
}

}  // namespace

Status copy_until(NodeWalker& from, LevelStack& to, const ByteView* stop, AtEnd at_end) {
  while (!from.at_end()) {
    if (from.at_root()) {
      TRY_DO(from.enter());
      continue;
    }
    const bool before_stop = stop == nullptr || compare(from.key(), *stop) < 0;
    if (from.height() == 0) {
      if (!before_stop) break;
      TRY_DO(to.append(from.key(), from.value()));
      from.skip();
      continue;
    }
    const bool whole = before_stop && to.aligned(from.height()) &&
                       (from.child().sealed || ends_alike(from, stop, at_end));
    if (!whole) {
      TRY_DO(from.enter());
      continue;
    }
    TRY_DO(to.append_node(from.height(), from.key(), from.child()));
    from.skip();
  }
  return {};
}

}  // namespace holdfast::tree
