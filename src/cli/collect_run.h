// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cli/context.h"
#include "job/collect.h"

namespace holdfast::cli {

// Runs a collection and tells what came of it: `collect`, and `forget --collect`. The store must not be locked.
Result<Exit> collect(Context& context, job::CollectRequest request);

}  // namespace holdfast::cli
