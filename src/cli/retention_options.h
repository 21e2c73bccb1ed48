// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cli/command.h"
#include "job/retention.h"

// What `forget` is told to keep, from its options to the rules.
namespace holdfast::cli {

// --keep-…; `invalid` naming the option.
Result<job::RetentionPolicy> retention_policy_of(const Arguments& arguments);
// --group-by: host, paths and tags, joined by commas; empty for none.
Result<job::Grouping> grouping_of(const Arguments& arguments);

}  // namespace holdfast::cli
