// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tree/level_stack.h"
#include "tree/node_walker.h"

namespace holdfast::tree {

enum class AtEnd : uint8_t { nothing_follows, more_may_follow };

// Copies what lies before `stop` (null: everything left) from `from` to `to`, whole nodes where that cannot change
// their shape. Leaves `from` at the first entry not below `stop`, or at its end. `at_end` says whether the end of
// `from` will also be the end of `to`.
Status copy_until(NodeWalker& from, LevelStack& to, const ByteView* stop, AtEnd at_end);

}  // namespace holdfast::tree
