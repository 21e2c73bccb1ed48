// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tree/tree.h"

namespace holdfast::tree {

// A part of a tree that cannot be read.
struct LostNode {
  ByteView last_key;  // Of its entries; empty: not known, for it is the root.
  uint64_t entry_count = 0;
  const Error& error;
};
// As for_range(), but what is damaged or missing is told to `lost`, and the walk goes on behind it.
Status for_range_of_damaged(NodeStore& nodes, const Root& root, ByteView from, ByteView to,
                            const std::function<Status(const EntryView&)>& visit,
                            const std::function<Status(const LostNode&)>& lost);

}  // namespace holdfast::tree
