// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>

#include "cli/context.h"

namespace holdfast::cli {

// The part of `restore` that puts a bucket's point into a bucket.
Result<Exit> restore_bucket(Context& context, const Arguments& arguments, vault::Vault& vault,
                            const vault::PointInfo& point, const std::optional<std::string>& name);

}  // namespace holdfast::cli
