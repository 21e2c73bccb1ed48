// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "vault/vault.h"

// How people name recovery points: `latest`, an id, a unique prefix of one; each may go on with `:PATH`.
namespace holdfast::job {

// What is not named asks nothing; an empty host or tag is named, and is borne by none.
struct PointFilter {
  std::optional<std::string> host;
  std::vector<std::string> paths;  // Every one is among the point's roots.
  std::vector<std::string> tags;   // The point bears every one.
};
bool matches(const PointFilter& filter, const vault::PointInfo& point);

struct PointSpec {
  std::string name;                 // "latest", an id or a prefix.
  std::optional<std::string> path;  // What follows the first colon, if there is one.
};
// `invalid` for an empty name.
Result<PointSpec> parse_point_spec(std::string_view text);

// Of `points`, oldest first, the one that is meant; `latest` is the newest that the filter lets through, and ids are
// taken whatever the filter says. `not_found`, or `invalid` for a prefix of several.
Result<vault::PointInfo> resolve_point(const std::vector<vault::PointInfo>& points, std::string_view name,
                                       const PointFilter& filter);

}  // namespace holdfast::job
