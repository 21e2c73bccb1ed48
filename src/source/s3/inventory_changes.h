// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <set>
#include <string>

#include "source/s3/inventory.h"
#include "source/source.h"

namespace holdfast::source {

struct InventoryScope {
  std::string bucket;
  std::string prefix;
  bool current_only = false;   // As the point was made.
  uint64_t key_count_max = 0;  // Of more nothing is told but that there are.
};

struct InventoryChanges {
  std::set<std::string> keys;
  bool is_too_much = false;
  std::optional<Error> not_sorted;  // The scratch folder failed: nothing is known, and it is no fault of the report.
};

// `invalid`, with the next step, where the report lacks what a point made so is to hold.
Status check_completeness(const InventoryReport& report, bool current_only);

// The keys of which a report tells anything else than the point before. Reads both once, in bounded memory. The errors
// of Inventory::read(). REQUIRES: check_completeness() passed.
Result<InventoryChanges> find_changes(const Inventory& inventory, const InventoryReport& report,
                                      const InventoryScope& scope, PreviousEntries& entries, std::stop_token stop);

}  // namespace holdfast::source
