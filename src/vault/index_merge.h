// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <set>
#include <span>
#include <string>

#include "base/result.h"
#include "base/seams.h"
#include "os/mapped_file.h"
#include "vault/index.h"
#include "vault/index_table_file.h"

namespace holdfast::vault {

// Writes one table of all entries of `tables`, in one pass over each; of several homes of an id all are kept, so that a
// segment can be taken out again. Entries of segments in `without` are left out. Beside what the tables themselves take
// up it needs a few megabytes of memory and, in `scratch_folder`, four bytes a chunk and the filters for a while.
Result<TablePtr> merge_tables(std::span<const TablePtr> tables, const std::set<ObjectId>& without,
                              os::SealedFileWriter file, const std::string& scratch_folder, const TableOwner& owner,
                              Rng& rng);

}  // namespace holdfast::vault
