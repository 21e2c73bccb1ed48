// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "base/result.h"
#include "vault/index.h"

// What a look-up does not say: where else an id stands, and whether tables can be relied on.
namespace holdfast::vault {

// All homes of a chunk, or of the bundles of a piece, that are not purged: the chosen one and what else there is, for
// readers who find rubbish in it. In no order.
std::vector<Location> chunk_homes(const Index& index, const format::ShortId& id);
std::vector<Location> piece_homes(const Index& index, const format::ShortId& id);

// The disk could not read some of the table's file: rows that were looked at since may be zeros.
bool has_failed(const IndexTable& table);
// `io` if some table has failed: what was looked up may be missing or wrong, so nothing may be removed or written anew
// on its word. Loading the index again replaces the table.
Status check_tables(const Index& index);

}  // namespace holdfast::vault
