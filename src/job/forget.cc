// SPDX-License-Identifier: Apache-2.0
#include "job/forget.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

namespace holdfast::job {

namespace {

// Keeps a record far below the bound on its size.
constexpr size_t points_a_record_max = 100'000;

// Looked at each time that the log was read to its end: a lock or a hold may have come meanwhile.
Status check_kept(const vault::DomainLog& log, const std::vector<ObjectId>& points, UnixTimeNs now) {
  for (const ObjectId& id : points) {
    const auto point = log.points().find(id);
    if (point == log.points().end()) continue;
    const auto reason = log.state().kept_by(point->second, now);
    if (!reason) continue;
    return Error(ErrorCode::refused, fmt::format("recovery point {} is {}", to_hex(id), *reason))
        .with_hint("'holdfast hold list' and 'holdfast vault lock' show what keeps points.");
  }
  return {};
}

Error no_point(const ObjectId& id) { return Error(ErrorCode::not_found, "no recovery point " + to_hex(id)); }

}  // namespace

Status forget_points(vault::Vault& vault, const std::vector<ObjectId>& points) {
  if (vault.keyring().role() == vault::Role::agent) {
    return Error(ErrorCode::refused, "an agent cannot forget recovery points")
        .with_hint("Use the owner's passphrase or key.");
  }
  std::map<ObjectId, vault::DomainId> live;
  for (const vault::PointInfo& point : TRY(vault.points())) live[point.id] = point.domain;
  std::map<vault::DomainId, std::vector<ObjectId>> by_domain;
  for (const ObjectId& id : points) {
    const auto found = live.find(id);
    if (found == live.end()) return no_point(id);
    by_domain[found->second].push_back(id);
  }
  for (auto& [domain_id, ids] : by_domain) {
    vault::Vault::Domain& domain = *TRY(vault.domain(domain_id));
    TRY_DO(check_kept(domain.log(), ids, vault.clock().now()));
  }
  for (auto& [domain_id, ids] : by_domain) {
    vault::Vault::Domain& domain = *TRY(vault.domain(domain_id));
    std::sort(ids.begin(), ids.end());
    ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
    for (size_t begin = 0; begin < ids.size(); begin += points_a_record_max) {
      const auto first = ids.begin() + static_cast<ptrdiff_t>(begin);
      const auto last = ids.begin() + static_cast<ptrdiff_t>(std::min(begin + points_a_record_max, ids.size()));
      const format::ForgetBody body{.points = {first, last}};
      (void)TRY(domain.log()
                    .append(format::LogKind::forget, format::encode(body), vault.rng(), vault.clock(),
                            [&] { return check_kept(domain.log(), body.points, vault.clock().now()); })
                    .during("forget"));
    }
  }
  return {};
}

Status annotate_point(vault::Vault& vault, const ObjectId& point, std::vector<std::string> tags) {
  if (vault.keyring().role() != vault::Role::owner) {
    return Error(ErrorCode::refused, "only the owner can change the tags of a recovery point");
  }
  std::sort(tags.begin(), tags.end());
  tags.erase(std::unique(tags.begin(), tags.end()), tags.end());
  for (const vault::PointInfo& found : TRY(vault.points())) {
    if (found.id != point) continue;
    vault::Vault::Domain& domain = *TRY(vault.domain(found.domain));
    const format::AnnotateBody body{.point = point, .tags = std::move(tags)};
    // Somebody may forget it before our record is written.
    const auto admit = [&]() -> Status {
      if (domain.log().was_forgotten(point)) return no_point(point);
      return {};
    };
    (void)TRY(domain.log()
                  .append(format::LogKind::annotate, format::encode(body), vault.rng(), vault.clock(), admit)
                  .during("tag"));
    return {};
  }
  return no_point(point);
}

}  // namespace holdfast::job
