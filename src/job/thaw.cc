// SPDX-License-Identifier: Apache-2.0
#include "job/thaw.h"

#include "store/decorator.h"

namespace holdfast::job {

uint64_t ThawPlan::count(store::ThawState state) const {
  uint64_t count = 0;
  for (const store::ArchivedObject& object : archived) count += object.state == state ? 1 : 0;
  return count;
}

uint64_t ThawPlan::size_bytes(store::ThawState state) const {
  uint64_t size_bytes = 0;
  for (const store::ArchivedObject& object : archived) size_bytes += object.state == state ? object.size_bytes : 0;
  return size_bytes;
}

Result<ThawPlan> plan_thaw(vault::Vault& vault, const vault::PointInfo& point, const EntryRange& range, ThawLook look,
                           const std::stop_token& stop) {
  ThawPlan plan;
  auto* const archiving = store::find_interface<store::ArchivingStore>(vault.store());
  if (look == ThawLook::if_likely && (archiving == nullptr || !TRY(archiving->may_archive()))) return plan;
  vault::Vault::Domain& domain = *TRY(vault.domain(point.domain));
  plan.packs = TRY(measure_demand(domain, point, range, stop));
  if (archiving == nullptr) return plan;
  std::set<std::string> keys;
  for (const auto& [key, read] : plan.packs) keys.insert(key);
  plan.archived = TRY(archiving->find_archived(keys));
  return plan;
}

Result<ThawReport> run_thaw(vault::Vault& vault, const ThawPlan& plan, const store::ThawRequest& request,
                            const std::stop_token& stop) {
  ThawReport report;
  auto* const archiving = store::find_interface<store::ArchivingStore>(vault.store());
  for (const store::ArchivedObject& object : plan.archived) {
    if (object.state != store::ThawState::frozen) continue;
    if (stop.stop_requested()) return Error(ErrorCode::cancelled, "stopped; run it again to ask for the rest");
    TRY_DO(archiving->thaw(object, request));
    ++report.asked_count;
    report.asked_bytes += object.size_bytes;
  }
  return report;
}

}  // namespace holdfast::job
