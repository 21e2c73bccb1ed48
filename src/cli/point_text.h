// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <boost/json/object.hpp>
#include <string>
#include <vector>

#include "cli/command.h"
#include "job/point_spec.h"
#include "vault/vault.h"

namespace holdfast::cli {

// How people name a point: the first eight hex digits of its id.
std::string short_name(const ObjectId& id);
// `points --json`, `show --json`.
boost::json::object point_object(const vault::PointInfo& point);

// From --host, --path and --tag.
job::PointFilter filter_of(const Arguments& arguments);

struct PointAndKey {
  vault::PointInfo point;
  Bytes key;  // Of what was named behind the colon; empty: the whole point.
};
// `refused` where the key in use, as an agent's, opens no content of the point.
Status check_content_opens(vault::Vault& vault, const vault::PointInfo& point);
// The key of the path that is named, if one is.
Result<Bytes> key_of(const job::PointSpec& spec);
// Finds what POINT or POINT:PATH names. `not_found` with a hint if there is none.
Result<vault::PointInfo> find_point(vault::Vault& vault, std::string_view text, const job::PointFilter& filter);
// The same among points that were read from this vault, oldest first.
Result<vault::PointInfo> find_among(vault::Vault& vault, const std::vector<vault::PointInfo>& points,
                                    std::string_view text, const job::PointFilter& filter);
Result<PointAndKey> find_point_and_key(vault::Vault& vault, std::string_view text, const job::PointFilter& filter);

}  // namespace holdfast::cli
