// SPDX-License-Identifier: Apache-2.0
#include "job/vault_lock.h"

#include <map>

namespace holdfast::job {

namespace {

constexpr UnixTimeNs day_ns = 86'400ll * 1'000'000'000;

Status check_owner(const vault::Vault& vault, std::string_view what) {
  if (vault.keyring().role() == vault::Role::owner) return {};
  return Error(ErrorCode::refused, "only the owner can " + std::string(what));
}

Status admit_lock(const vault::DomainLog& log, const format::LockBody& terms, UnixTimeNs now) {
  const auto reason = log.state().lock_refuses(terms, now);
  if (!reason) return {};
  return Error(ErrorCode::refused, *reason).with_hint("It can be made stricter: longer, but never shorter.");
}

}  // namespace

Status hold_points(vault::Vault& vault, const std::string& name, const std::vector<ObjectId>& points, bool lift) {
  TRY_DO(check_owner(vault, "hold recovery points"));
  if (name.empty()) return Error(ErrorCode::invalid, "a hold needs a name");
  std::map<ObjectId, vault::DomainId> live;
  for (const vault::PointInfo& point : TRY(vault.points())) live[point.id] = point.domain;
  std::map<vault::DomainId, std::vector<ObjectId>> by_domain;
  for (const ObjectId& id : points) {
    const auto found = live.find(id);
    if (found == live.end()) return Error(ErrorCode::not_found, "no recovery point " + to_hex(id));
    by_domain[found->second].push_back(id);
  }
  for (const auto& [domain_id, ids] : by_domain) {
    vault::Vault::Domain& domain = *TRY(vault.domain(domain_id));
    const format::HoldBody body{.lifted = lift, .name = name, .points = ids};
    // A hold that comes too late must not seem to hold.
    const auto admit = [&]() -> Status {
      for (const ObjectId& id : body.points) {
        if (!domain.log().points().contains(id)) return Error(ErrorCode::not_found, "no recovery point " + to_hex(id));
      }
      return {};
    };
    (void)TRY(domain.log()
                  .append(format::LogKind::hold, format::encode(body), vault.rng(), vault.clock(), admit)
                  .during("hold"));
  }
  return {};
}

Result<std::vector<DomainLock>> vault_locks(vault::Vault& vault) {
  std::vector<DomainLock> locks;
  const UnixTimeNs now = vault.clock().now();
  for (const vault::DomainId id : vault.keyring().domains()) {
    vault::DomainLog& log = TRY(vault.domain(id))->log();
    TRY_DO(log.refresh());
    DomainLock found{.domain = id, .lock = log.state().lock()};
    const format::LockBody none;
    found.is_final = log.state().lock_refuses(none, now).has_value();
    const auto days_max = static_cast<UnixTimeNs>(found.lock.terms.days_max);
    for (const auto& [point_id, point] : log.points()) {
      if (log.state().kept_by(point, now)) ++found.kept_points;
      const UnixTimeNs age = log.state().clock().time_at(now) - point.log_time;
      if (days_max > 0 && point.holds.empty() && age > days_max * day_ns) ++found.overdue_points;
    }
    locks.push_back(std::move(found));
  }
  return locks;
}

Status set_vault_lock(vault::Vault& vault, const format::LockBody& terms) {
  TRY_DO(check_owner(vault, "lock a vault"));
  if (!format::decode_lock_body(format::encode(terms))) {
    return Error(ErrorCode::invalid, "the longest retention is shorter than the shortest, or longer than 100 years");
  }
  for (const vault::DomainId id : vault.keyring().domains()) {
    vault::DomainLog& log = TRY(vault.domain(id))->log();
    TRY_DO(log.refresh());
    TRY_DO(admit_lock(log, terms, vault.clock().now()));
  }
  for (const vault::DomainId id : vault.keyring().domains()) {
    vault::DomainLog& log = TRY(vault.domain(id))->log();
    const auto admit = [&] { return admit_lock(log, terms, vault.clock().now()); };
    (void)TRY(log.append(format::LogKind::lock, format::encode(terms), vault.rng(), vault.clock(), admit)
                  .during("vault lock"));
  }
  return {};
}

}  // namespace holdfast::job
