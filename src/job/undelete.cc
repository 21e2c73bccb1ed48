// SPDX-License-Identifier: Apache-2.0
#include "job/undelete.h"

#include <algorithm>
#include <map>

#include "job/live_set.h"
#include "job/reachability.h"
#include "vault/pack_survey.h"

namespace holdfast::job {

namespace {

// Others may purge while we look; so often it is worth looking again.
constexpr int attempts_max = 5;

class WholeVisitor : public ReachabilityVisitor {
 public:
  WholeVisitor(const LiveSet& live, Observer& observer) : live_(live), observer_(observer) {}
  Status reached(const Reference&, LiveSet::Place chunk) override {
    const ObjectId& pack = live_.pack(chunk).id;
    if (!live_.is_missing(pack)) return {};
    return Error(ErrorCode::corrupt, "pack " + to_hex(pack) + ", which it needs, is missing or cut short");
  }
  Status broken(const Reference&, Error error) override { return error; }
  void entry_visited() override { observer_.progress.entries_done.fetch_add(1, std::memory_order_relaxed); }

 private:
  const LiveSet& live_;
  Observer& observer_;
};

Status check_whole(vault::Vault& vault, vault::Vault::Domain& domain, const std::vector<ObjectId>& points,
                   Observer& observer, const std::stop_token& stop) {
  TRY_DO(domain.reload_index());
  LiveSet live(domain.index());
  // The index alone may be wrong about what is there.
  const auto survey = TRY(vault::PackSurvey::take(vault.store(), store::Overview(vault.store()), domain.id()));
  TRY_DO(live.find_missing([&](const auto& pack) { return survey.holds(vault::name_of(pack), pack.size_bytes); }));
  WholeVisitor visitor(live, observer);
  Reachability walk(domain, live, Reachability::Leaves::all, visitor, stop);
  for (const ObjectId& id : points) {
    const auto point = domain.log().state().forgotten().find(id);
    if (point == domain.log().state().forgotten().end()) {
      return Error(ErrorCode::not_found, "recovery point " + to_hex(id) + " cannot be had back")
          .with_hint("What it leaned on was purged, or it was never forgotten.");
    }
    TRY_DO(walk.walk(point->second.info).during("point " + to_hex(id)));
  }
  return {};
}

// Nothing may be purged between the look and the record: what was there would count for nothing.
Status undelete_in(vault::Vault& vault, vault::Vault::Domain& domain, const std::vector<ObjectId>& points,
                   Observer& observer, const std::stop_token& stop) {
  for (int attempt = 1;; ++attempt) {
    TRY_DO(domain.log().refresh());
    const uint64_t last_purge = domain.log().state().last_purge();
    TRY_DO(check_whole(vault, domain, points, observer, stop));
    const auto admit = [&]() -> Status {
      const vault::LogState& state = domain.log().state();
      const bool all_forgotten = std::all_of(points.begin(), points.end(),
                                             [&](const ObjectId& id) { return state.forgotten().contains(id); });
      if (all_forgotten && state.last_purge() == last_purge) return {};
      return Error(ErrorCode::changed, "others were at work on the same points, or a collection removed something");
    };
    const format::PointsBody body{.points = points};
    const auto written =
        domain.log().append(format::LogKind::undelete, format::encode(body), vault.rng(), vault.clock(), admit);
    if (written) return {};
    if (written.error().code() != ErrorCode::changed || attempt == attempts_max) return written.error();
  }
}

}  // namespace

Result<std::vector<vault::ForgottenPoint>> forgotten_points(vault::Vault& vault) {
  std::vector<vault::ForgottenPoint> points;
  for (const vault::DomainId id : vault.keyring().domains()) {
    vault::Vault::Domain& domain = *TRY(vault.domain(id));
    TRY_DO(domain.log().refresh());
    for (const auto& [point_id, point] : domain.log().state().forgotten()) points.push_back(point);
  }
  std::sort(points.begin(), points.end(), [](const auto& a, const auto& b) {
    return std::tie(a.info.point.begun, a.info.domain, a.info.number) <
           std::tie(b.info.point.begun, b.info.domain, b.info.number);
  });
  return points;
}

Status undelete_points(vault::Vault& vault, const std::vector<ObjectId>& points, Observer& observer,
                       std::stop_token stop) {
  if (vault.keyring().role() == vault::Role::agent) {
    return Error(ErrorCode::refused, "an agent cannot bring recovery points back")
        .with_hint("Use the owner's passphrase or key.");
  }
  std::map<ObjectId, vault::DomainId> known;
  for (const vault::ForgottenPoint& point : TRY(forgotten_points(vault))) known[point.info.id] = point.info.domain;
  std::map<vault::DomainId, std::vector<ObjectId>> by_domain;
  for (const ObjectId& id : points) {
    const auto found = known.find(id);
    if (found == known.end()) {
      return Error(ErrorCode::not_found, "no forgotten recovery point " + to_hex(id) + " can be had back");
    }
    by_domain[found->second].push_back(id);
  }
  for (const auto& [domain_id, ids] : by_domain) {
    TRY_DO(undelete_in(vault, *TRY(vault.domain(domain_id)), ids, observer, stop).during("undelete"));
  }
  return {};
}

}  // namespace holdfast::job
