// SPDX-License-Identifier: Apache-2.0
#include "job/copy.h"

#include <algorithm>
#include <map>
#include <thread>
#include <tuple>

#include "job/point_copier.h"

namespace holdfast::job {

namespace {

bool is_copy_of(const vault::PointInfo& copy, const vault::PointInfo& original) {
  const format::RecoveryPoint &a = copy.point, &b = original.point;
  return std::tie(a.kind, a.host, a.roots, a.begun, a.entry_count, a.size_bytes) ==
         std::tie(b.kind, b.host, b.roots, b.begun, b.entry_count, b.size_bytes);
}

// Points of one of these are likely to be alike.
using Lineage = std::tuple<vault::DomainId, std::string, std::string, std::vector<std::string>>;
Lineage lineage_of(const vault::PointInfo& point) {
  return {point.domain, point.point.kind, point.point.host, point.point.roots};
}

class Copier {
 public:
  Copier(vault::Vault& from, vault::Vault& to, vault::Vault::Domain& to_domain, const CopyRequest& request,
         Observer& observer)
      : from_(from), to_(to), to_domain_(to_domain), request_(request), observer_(observer) {}

  Status copy(const vault::PointInfo& point);
  CopyReport take_report() { return std::move(report_); }

 private:
  struct Base {
    vault::PointInfo from, to;
  };
  Result<vault::PointInfo> copy_point(const vault::PointInfo& point);

  vault::Vault& from_;
  vault::Vault& to_;
  vault::Vault::Domain& to_domain_;
  const CopyRequest& request_;
  Observer& observer_;
  std::map<Lineage, Base> bases_;         // The newest copied of each lineage.
  std::map<ObjectId, ObjectId> copies_;
  std::map<vault::DomainId, IdMap> ids_;  // By the domain copied from.
  CopyReport report_;
};

Status Copier::copy(const vault::PointInfo& point) {
  CopiedPoint copied{.from = point.id, .to = {}, .was_there = false};
  for (const auto& [id, there] : to_domain_.log().points()) {
    if (!is_copy_of(there, point)) continue;
    copied.to = there;
    copied.was_there = true;
  }
  if (!copied.was_there) copied.to = TRY(copy_point(point).during("copy " + to_hex(point.id)));
  bases_.insert_or_assign(lineage_of(point), Base{point, copied.to});
  copies_[point.id] = copied.to.id;
  report_.points.push_back(std::move(copied));
  return {};
}

Result<vault::PointInfo> Copier::copy_point(const vault::PointInfo& point) {
  vault::Vault::Domain& from_domain = *TRY(from_.domain(point.domain));
  TRY_DO(from_domain.load_index_once());
  auto session = TRY(vault::Session::begin(
      to_, to_domain_,
      {.host = point.point.host, .purpose = "copy", .effort = request_.effort}));
  format::RecoveryPoint copy = point.point;
  copy.parent = {};
  if (const auto parent = copies_.find(point.point.parent); parent != copies_.end()) copy.parent = parent->second;

  tree::Root from_entries, from_state, to_entries, to_state;
  if (const auto base = bases_.find(lineage_of(point)); base != bases_.end()) {
    from_entries = to_root(base->second.from.point.entries);
    from_state = to_root(base->second.from.point.state);
    to_entries = to_root(base->second.to.point.entries);
    to_state = to_root(base->second.to.point.state);
  }
  // Ids remembered from any of them may be used.
  for (const auto& [original, there] : copies_) session->build_upon(there);
  const unsigned worker_count =
      request_.worker_count > 0 ? request_.worker_count : std::max(1u, std::thread::hardware_concurrency());
  PointCopier copier(from_, from_domain, to_domain_, *session,
                     {.worker_count = worker_count,
                      .bundle_size_bytes = to_.keyring().parameters().bundle_size_bytes,
                      .stop = request_.stop},
                     ids_[point.domain], observer_);
  const auto copy_trees = [&]() -> Status {
    copy.entries = to_reference(TRY(copier.copy_entries(from_entries, to_root(point.point.entries), to_entries)));
    copy.state = to_reference(TRY(copier.copy_values(from_state, to_root(point.point.state), to_state)));
    return {};
  };
  const Status copied = copy_trees();
  if (!copied) {
    // What was stored is found again by the next run.
    session->end().ignore("the copy's error is the one to report");
    return copied.error();
  }
  const vault::PointInfo committed = TRY(session->commit(std::move(copy)));
  report_.read_bytes += copier.read_bytes();
  report_.stored_bytes += committed.point.stored_bytes;
  return committed;
}

}  // namespace

Result<CopyReport> run_copy(vault::Vault& from, std::vector<vault::PointInfo> points, vault::Vault& to,
                            const CopyRequest& request, Observer& observer) {
  vault::Vault::Domain& to_domain = *TRY(to.home());
  TRY_DO(to_domain.log().refresh());
  std::sort(points.begin(), points.end(), [](const vault::PointInfo& a, const vault::PointInfo& b) {
    return std::tie(a.point.begun, a.domain, a.number) < std::tie(b.point.begun, b.domain, b.number);
  });
  Copier copier(from, to, to_domain, request, observer);
  for (const vault::PointInfo& point : points) {
    observer.progress.entries_expected.fetch_add(point.point.entry_count, std::memory_order_relaxed);
    TRY_DO(copier.copy(point));
  }
  return copier.take_report();
}

}  // namespace holdfast::job
