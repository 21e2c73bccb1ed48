// SPDX-License-Identifier: Apache-2.0
#include "target/s3/version_match.h"

#include <set>

namespace holdfast::target {

namespace {

constexpr std::string_view no_versions = "null";

bool is_same_state(const WantedVersion& wanted, const aws::s3::ListedVersion& there) {
  if (wanted.is_delete_marker || there.is_delete_marker) return wanted.is_delete_marker == there.is_delete_marker;
  return !wanted.etag.empty() && wanted.etag == there.etag && wanted.size_bytes == there.size_bytes;
}

}  // namespace

std::vector<bool> choose_versions_to_write(const std::vector<WantedVersion>& wanted,
                                           const std::vector<aws::s3::ListedVersion>& there) {
  std::set<std::string_view> ids;
  for (const aws::s3::ListedVersion& version : there) ids.insert(version.version_id);
  const auto matches = [&](const WantedVersion& want, const aws::s3::ListedVersion& version) {
    if (!is_same_state(want, version)) return false;
    const bool has_id = want.version_id != no_versions && ids.contains(want.version_id);
    return !has_id || want.version_id == version.version_id;
  };
  size_t matched = 0, last_matched = there.size();
  for (size_t at = 0; at < there.size() && matched < wanted.size(); ++at) {
    if (!matches(wanted[matched], there[at])) continue;
    last_matched = at;
    ++matched;
  }
  std::vector<bool> is_written(wanted.size(), false);
  for (size_t at = matched; at < wanted.size(); ++at) is_written[at] = true;
  const bool is_covered = matched == wanted.size() && matched > 0 && last_matched + 1 < there.size() &&
                          !is_same_state(wanted.back(), there.back());
  if (is_covered) is_written.back() = true;
  return is_written;
}

}  // namespace holdfast::target
