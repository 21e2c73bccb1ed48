// SPDX-License-Identifier: Apache-2.0
#include "job/point_spec.h"

#include <algorithm>

namespace holdfast::job {

namespace {

constexpr std::string_view latest_name = "latest";

bool holds(const std::vector<std::string>& all, const std::string& one) {
  return std::find(all.begin(), all.end(), one) != all.end();
}

// "/srv/data/" and "/srv/data" are one folder.
std::string without_last_slash(std::string path) {
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  return path;
}

}  // namespace

bool matches(const PointFilter& filter, const vault::PointInfo& point) {
  if (filter.host && *filter.host != point.point.host) return false;
  const bool has_paths = std::all_of(filter.paths.begin(), filter.paths.end(), [&](const std::string& path) {
    return holds(point.point.roots, without_last_slash(path));
  });
  return has_paths && std::all_of(filter.tags.begin(), filter.tags.end(),
                                  [&](const std::string& tag) { return holds(point.point.tags, tag); });
}

Result<PointSpec> parse_point_spec(std::string_view text) {
  PointSpec spec;
  const size_t colon = text.find(':');
  spec.name = text.substr(0, colon);
  if (colon != std::string_view::npos) spec.path = text.substr(colon + 1);
  if (spec.name.empty()) {
    return Error(ErrorCode::invalid, "no recovery point is named by '" + std::string(text) + "'")
        .with_hint("Name one by 'latest', its id or the beginning of its id.");
  }
  return spec;
}

Result<vault::PointInfo> resolve_point(const std::vector<vault::PointInfo>& points, std::string_view name,
                                       const PointFilter& filter) {
  if (name == latest_name) {
    for (auto point = points.rbegin(); point != points.rend(); ++point) {
      if (matches(filter, *point)) return *point;
    }
    return Error(ErrorCode::not_found, "no recovery point matches");
  }
  std::string lower(name);
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](char c) { return c >= 'A' && c <= 'F' ? static_cast<char>(c - 'A' + 'a') : c; });
  const vault::PointInfo* found = nullptr;
  for (const vault::PointInfo& point : points) {
    if (!to_hex(point.id).starts_with(lower)) continue;
    if (found != nullptr) {
      return Error(ErrorCode::invalid, "'" + lower + "' begins the ids of several recovery points")
          .with_hint("Give more of the id.");
    }
    found = &point;
  }
  if (found == nullptr) return Error(ErrorCode::not_found, "no recovery point '" + lower + "'");
  return *found;
}

}  // namespace holdfast::job
