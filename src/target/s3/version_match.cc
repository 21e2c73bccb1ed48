// SPDX-License-Identifier: Apache-2.0
#include "target/s3/version_match.h"

#include <algorithm>

namespace holdfast::target {

namespace {

constexpr std::string_view no_versions = "null";

bool is_same_state(const WantedVersion& wanted, const VersionThere& there) {
  if (wanted.is_delete_marker || there.is_delete_marker) return wanted.is_delete_marker == there.is_delete_marker;
  return !wanted.etag.empty() && wanted.etag == there.etag && wanted.size_bytes == there.size_bytes;
}

}  // namespace

VersionThere::VersionThere(aws::s3::ListedVersion listed)
    : version_id(std::move(listed.version_id)),
      etag(std::move(listed.etag)),
      size_bytes(listed.size_bytes),
      is_delete_marker(listed.is_delete_marker) {}

VersionMatch::VersionMatch(std::vector<VersionThere> oldest_first)
    : there_(std::move(oldest_first)), by_id_(there_.size()) {
  for (size_t at = 0; at < by_id_.size(); ++at) by_id_[at] = at;
  std::sort(by_id_.begin(), by_id_.end(),
            [&](size_t a, size_t b) { return there_[a].version_id < there_[b].version_id; });
}

bool VersionMatch::has_id(const std::string& version_id) const {
  if (version_id == no_versions) return false;
  const auto found = std::lower_bound(by_id_.begin(), by_id_.end(), version_id,
                                      [&](size_t at, const std::string& id) { return there_[at].version_id < id; });
  return found != by_id_.end() && there_[*found].version_id == version_id;
}

size_t VersionMatch::find(const WantedVersion& wanted) const {
  const bool goes_by_id = has_id(wanted.version_id);
  const auto is_it = [&](const VersionThere& there) {
    return is_same_state(wanted, there) && (!goes_by_id || there.version_id == wanted.version_id);
  };
  size_t at = next_;
  while (at < there_.size() && !is_it(there_[at])) ++at;
  return at;
}

// Behind the first that is missing none is looked for: all of them would cost a look at all that is there.
bool VersionMatch::is_there(const WantedVersion& wanted) {
  const size_t at = has_gap_ ? there_.size() : find(wanted);
  has_gap_ = at == there_.size();
  if (!has_gap_) next_ = at + 1;
  return !has_gap_;
}

bool VersionMatch::must_write(const WantedVersion& wanted, bool is_newest) {
  if (has_missed_) return true;
  next_ = find(wanted);
  has_missed_ = next_ == there_.size();
  if (has_missed_) return true;
  ++next_;
  const bool is_covered = next_ < there_.size() && !is_same_state(wanted, there_.back());
  return is_newest && is_covered;
}

}  // namespace holdfast::target
