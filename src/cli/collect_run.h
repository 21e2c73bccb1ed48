// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>

#include "cli/context.h"
#include "job/collect.h"

namespace holdfast::cli {

// So long what was condemned stays unless --keep-deleted says otherwise.
inline constexpr std::chrono::days keep_deleted_default{14};

// Runs a collection and tells what came of it: `collect`, and `forget --collect`.
Result<Exit> collect(Context& context, job::CollectRequest request);

}  // namespace holdfast::cli
