// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cli/command.h"
#include "job/scrub.h"

namespace holdfast::cli {

// Examines what a store holds from `request.after` on, keeps the ledger and tells the result. `scrub`, `repair` and the
// commands that change devices end with it. 20: objects are lost; 3: some have less redundancy than they should, were
// not read, or are unfinished.
Result<Exit> scrub(Context& context, store::ObjectStore& store, job::ScrubRequest request);

Result<job::ScrubLedger> load_scrub_ledger(const std::string& url);

}  // namespace holdfast::cli
