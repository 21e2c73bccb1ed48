// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>

#include "cli/context.h"
#include "job/bucket_choice.h"

// What `ls`, `cat`, `find` and `diff` do with points of buckets. `name` is what follows a point's colon: a key, or a
// prefix that ends with a slash.
namespace holdfast::cli {

// What is meant by `name`, and by --at, --version-id and --current-only where a command has them.
Result<job::BucketChoice> bucket_choice(const Arguments& arguments, const std::optional<std::string>& name);

Result<Exit> list_bucket(Context& context, const Arguments& arguments, vault::Vault& vault,
                         const vault::PointInfo& point, const std::optional<std::string>& name);
Result<Exit> cat_object(Context& context, const Arguments& arguments, vault::Vault& vault,
                        const vault::PointInfo& point, const std::optional<std::string>& name);
Result<Exit> diff_buckets(Context& context, const Arguments& arguments, vault::Vault& vault,
                          const vault::PointInfo& before, const vault::PointInfo& after);
// How many current objects whose keys fit the glob were found and printed.
Result<uint64_t> find_objects(Context& context, const Arguments& arguments, vault::Vault& vault,
                              const vault::PointInfo& point, const std::string& glob);

}  // namespace holdfast::cli
