// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cli/context.h"
#include "cli/thaw_prices.h"
#include "job/thaw.h"

namespace holdfast::cli {

// Says which packs are archived and what thawing them takes.
void tell_thaw_plan(Output& output, const job::ThawPlan& plan, const store::ThawRequest& request,
                    const ThawEstimate& estimate);

// Before a restore of `range`: `refused`, telling the plan, if something in the way is archived. With `dry_run` it only
// tells.
Status check_thawed(Context& context, vault::Vault& vault, const vault::PointInfo& point, const job::EntryRange& range,
                    bool dry_run);

}  // namespace holdfast::cli
