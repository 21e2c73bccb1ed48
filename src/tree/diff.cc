// SPDX-License-Identifier: Apache-2.0
#include <compare>

#include "tree/node_walker.h"
#include "tree/tree.h"

namespace holdfast::tree {
namespace {

using Visit = std::function<Status(const Difference&)>;

// Both walkers have passed the same keys. Equal nodes hold equal entries, so they can be passed together unseen;
// otherwise the higher node is opened, until entry meets entry.
Status step_both(NodeWalker& before, NodeWalker& after, const Visit& visit) {
  if (before.height() > 0 || after.height() > 0) {
    if (before.height() == after.height() && before.child().node == after.child().node) {
      before.skip();
      after.skip();
      return {};
    }
    return before.height() >= after.height() ? before.enter() : after.enter();
  }
  const std::strong_ordering order = compare(before.key(), after.key());
  if (order < 0) {
    TRY_DO(visit({before.key(), before.value(), std::nullopt}));
  } else if (order > 0) {
    TRY_DO(visit({after.key(), std::nullopt, after.value()}));
  } else if (!equal(before.value(), after.value())) {
    TRY_DO(visit({before.key(), before.value(), after.value()}));
  }
  if (order <= 0) before.skip();
  if (order >= 0) after.skip();
  return {};
}

}  // namespace

Status diff(NodeStore& nodes, const Root& before, const Root& after, const Visit& visit) {
  NodeWalker old(nodes), now(nodes);
  old.open(before);
  now.open(after);
  while (!old.at_end() && !now.at_end()) TRY_DO(step_both(old, now, visit));
  for (; !old.at_end(); old.skip()) {
    while (old.height() > 0) TRY_DO(old.enter());
    TRY_DO(visit({old.key(), old.value(), std::nullopt}));
  }
  for (; !now.at_end(); now.skip()) {
    while (now.height() > 0) TRY_DO(now.enter());
    TRY_DO(visit({now.key(), std::nullopt, now.value()}));
  }
  return {};
}

}  // namespace holdfast::tree
