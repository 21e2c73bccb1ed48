// SPDX-License-Identifier: Apache-2.0
#include "job/collect.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "base/newer.h"
#include "job/collect_plan.h"
#include "job/index_merger.h"
#include "job/mark.h"
#include "job/pack_mover.h"
#include "job/renew_locks.h"
#include "vault/index_homes.h"
#include "vault/pack_survey.h"

// Nothing here is safe because of what this program remembers, of a lock or of a clock. What may be removed is decided
// by one thing alone: a purge record that was appended to the log by somebody who had read all before it. The
// conditions under which it may be appended are those of docs/decisions/0003-collection.md; tests/model has them as a
// state machine that is explored to the end.
namespace holdfast::job {

namespace {

using vault::name_of;

// Keeps a record far below the bound on its size, and a purge short of what it must check anew.
constexpr size_t packs_a_record_max = 50'000;
// Others may purge while we mark; so often it is worth beginning anew.
constexpr int purge_attempts_max = 3;
// A session that shows no sign of life for so long, by the log's clock, is ended.
constexpr UnixTimeNs session_age_ns_max = 7ll * 86'400 * 1'000'000'000;
// What was purged stays known so long, so that a collector that slept meanwhile cannot bring its index entries back.
constexpr UnixTimeNs purged_known_ns = 90ll * 86'400 * 1'000'000'000;

Status check_stop(const std::stop_token& stop) {
  if (stop.stop_requested()) return Error(ErrorCode::cancelled, "the collection was stopped");
  return {};
}

Status admit_all() { return {}; }

// One domain, from its log to its packs.
class DomainCollector {
 public:
  DomainCollector(vault::Vault& vault, vault::Vault::Domain& domain, const CollectRequest& request, Observer& observer,
                  CollectReport& report)
      : vault_(vault), domain_(domain), request_(request), observer_(observer), report_(report),
        mark_(vault, domain, observer, request.stop) {}

  // The domain's own trouble goes into the report; an error is the whole run's.
  Status run();

 private:
  using Condemned = std::map<ObjectId, vault::CondemnedPack>;

  Status append(format::LogKind kind, ByteView body, const std::function<Status()>& admit);
  Status begin();
  Status fence();
  bool is_at_work(const vault::LiveSession& session) const;
  Status end();
  Status write_checkpoint();
  Result<bool> mark();
  void refuse(std::optional<ObjectId> point, Error error);
  Status check_may_remove() { return domain_.log().check_may_go_on(format::LogKind::purge); }
  void take_stock();
  Status plan_only();
  Status collect();
  Status collect_and_end();
  Status purge();
  Condemned candidates();
  Result<bool> purge_marked();
  Status spare(const std::set<ObjectId>& packs);
  Status remove_purged();
  CollectPlan make_plan();
  Status condemn();
  Status repack(const CollectPlan& plan);
  std::vector<format::PackName> condemnable_orphans() const;
  Status merge_index();
  Status clear();
  void count_condemned();
  uint64_t stored_size_bytes(const format::PackName& name) const {
    const auto stored = mark_.stored().find(name);
    return stored == mark_.stored().end() ? 0 : stored->second;
  }
  std::string key_of(const format::PackName& pack) const {
    return vault::pack_key(domain_.id(), pack);
  }

  vault::Vault& vault_;
  vault::Vault::Domain& domain_;
  const CollectRequest& request_;
  Observer& observer_;
  CollectReport& report_;
  Mark mark_;
  format::SessionId session_{};
  size_t alarms_accepted_ = 0;        // Of the log's: those there were when it was marked in spite of them.
  std::set<vault::AuthorId> at_work_;  // Others, when it was marked.
  std::set<ObjectId> repacked_;       // By this run.
  std::set<ObjectId> locked_;         // Met by this run.
};

Status DomainCollector::append(format::LogKind kind, ByteView body, const std::function<Status()>& admit) {
  (void)TRY(domain_.log().append(kind, body, vault_.rng(), vault_.clock(), admit));
  return {};
}

// A session like a writer's: other collectors wait for what this one moves.
Status DomainCollector::begin() {
  vault_.rng().fill(session_);
  format::SessionBody body;
  body.session = session_;
  body.purpose = "collect";
  TRY_DO(append(format::LogKind::session, format::encode(body), admit_all));
  return fence();
}

bool DomainCollector::is_at_work(const vault::LiveSession& session) const {
  if (request_.fence == FencePolicy::all) return false;
  const vault::LogClock& clock = domain_.log().state().clock();
  return clock.time_at(vault_.clock().now()) - session.log_time < session_age_ns_max;
}

// A fenced session cannot commit. Whether it is dead or slow does not matter: none of its bytes count then.
Status DomainCollector::fence() {
  if (request_.fence == FencePolicy::none) return {};
  std::unique_ptr<store::StoreLock> nobody_else;
  if (request_.fence == FencePolicy::idle && vault_.store().capabilities().locks) {
    auto lock = vault_.store().try_lock(store::LockMode::exclusive);
    if (lock) nobody_else = std::move(*lock);
    TRY_DO(domain_.log().refresh());  // Whoever began before we held it is known now.
  }
  format::FenceBody body;
  for (const auto& [id, session] : domain_.log().sessions()) {
    if (id != session_ && (nobody_else || !is_at_work(session))) body.sessions.push_back(id);
  }
  report_.fenced_sessions += body.sessions.size();
  if (body.sessions.empty()) return {};
  return append(format::LogKind::fence, format::encode(body), admit_all);
}

Status DomainCollector::end() {
  return append(format::LogKind::end, format::encode(format::EndBody{session_}), admit_all);
}

// Alarms that came after the marks nobody has looked into.
Status DomainCollector::write_checkpoint() {
  const vault::DomainLog::CheckpointTerms terms{.records_min = request_.checkpoint_records,
                                                .alarms_accepted = alarms_accepted_};
  const Status kept = domain_.log().write_checkpoint(terms, vault_.rng(), vault_.clock());
  if (kept || kept.error().code() == ErrorCode::no_space) return {};  // The log itself says all of it.
  return kept;
}

// Whether all is readable that must be known to say what is dead.
Result<bool> DomainCollector::mark() {
  TRY_DO(check_stop(request_.stop));
  auto refusal = TRY(mark_.run(request_.accept_alarms));
  if (!refusal) {
    alarms_accepted_ = domain_.log().alarms().size();
    at_work_.clear();
    for (const auto& [id, session] : domain_.log().sessions()) {
      if (id != session_) at_work_.insert(session.author);
    }
    return true;
  }
  refuse(refusal->point, std::move(refusal->error));
  return false;
}

void DomainCollector::refuse(std::optional<ObjectId> point, Error error) {
  observer_.progress.problems.fetch_add(1, std::memory_order_relaxed);
  observer_.skipped(fmt::format("domain {}", domain_.id()), error);
  report_.refused.push_back({domain_.id(), point, std::move(error)});
}

// What may be purged by a record that follows what was read: nobody who began before it was condemned is still at work,
// and it was condemned long enough ago. Others are counted as waiting.
DomainCollector::Condemned DomainCollector::candidates() {
  const vault::LogState& state = domain_.log().state();
  uint64_t oldest_session = UINT64_MAX;
  for (const auto& [id, session] : state.sessions()) {
    if (id != session_) oldest_session = std::min(oldest_session, session.number);
  }
  const UnixTimeNs now = state.clock().time_at(vault_.clock().now());
  Condemned ready;
  for (const auto& [id, pack] : state.condemned()) {
    if (now - pack.log_time >= request_.keep_deleted.count() && pack.number < oldest_session) ready.emplace(id, pack);
  }
  return ready;
}

Status DomainCollector::spare(const std::set<ObjectId>& packs) {
  if (packs.empty()) return {};
  report_.spared_packs += packs.size();
  return append(format::LogKind::spare, format::encode(format::PacksBody{{packs.begin(), packs.end()}}), admit_all);
}

// The marks and what is read of the log stand for one moment. Since then nobody may have purged (the home we kept of a
// chunk may be the one that went) or brought a point back, and each pack must be condemned as it was.
Result<bool> DomainCollector::purge_marked() {
  Condemned ready = candidates();
  if (ready.empty()) return true;
  const vault::LogState& state = domain_.log().state();
  uint64_t last_purge = mark_.last_purge();
  const uint64_t last_undelete = state.last_undelete();
  const std::set<ObjectId> needed = mark_.needed_of(ready);
  for (const ObjectId& id : needed) ready.erase(id);
  TRY_DO(spare(needed));
  for (auto next = ready.begin(); next != ready.end();) {
    TRY_DO(check_stop(request_.stop));
    format::PacksBody body;
    const auto first = next;
    for (; next != ready.end() && body.packs.size() < packs_a_record_max; ++next) body.packs.push_back(next->first);
    const auto admit = [&]() -> Status {
      TRY_DO(vault::check_tables(domain_.index()));
      bool is_unchanged = state.last_purge() == last_purge && state.last_undelete() == last_undelete &&
                          !domain_.log().is_damaged();
      for (auto pack = first; pack != next; ++pack) {
        const auto condemned = state.condemned().find(pack->first);
        is_unchanged &= condemned != state.condemned().end() && condemned->second.number == pack->second.number;
      }
      if (is_unchanged) return {};
      return Error(ErrorCode::changed, "another collector was at work");
    };
    const Status purged = append(format::LogKind::purge, format::encode(body), admit);
    if (!purged && purged.error().code() == ErrorCode::changed) return false;
    TRY_DO(purged);
    last_purge = state.last_purge();
  }
  return true;
}

Status DomainCollector::purge() {
  for (int attempt = 1; attempt <= purge_attempts_max; ++attempt) {
    if (TRY(purge_marked())) break;
    if (!TRY(mark())) return {};
  }
  return remove_purged();
}

// What a purge record names is gone for ever, whoever wrote it: this may be repeated, interrupted, or done by two.
Status DomainCollector::remove_purged() {
  TRY_DO(check_may_remove());
  for (const auto& [id, pack] : domain_.log().state().purged()) {
    const auto stored = mark_.stored().find(pack.name);
    if (stored == mark_.stored().end()) continue;
    TRY_DO(check_stop(request_.stop));
    const Status removed = vault_.store().remove(key_of(pack.name));
    if (!removed && removed.error().code() == ErrorCode::refused) {
      // A lock of the store's own: a later run finds it again when that has ended.
      if (!locked_.insert(id).second) continue;
      ++report_.locked_packs;
      report_.locked_bytes += stored->second;
      continue;
    }
    if (!removed && removed.error().code() != ErrorCode::not_found) return removed;
    if (!removed) continue;
    ++report_.purged_packs;
    report_.purged_bytes += stored->second;
    if (repacked_.contains(id)) continue;
    ++report_.removed_packs;
    report_.removed_bytes += stored->second;
  }
  return {};
}

// Packs of sessions that may still be at work are no orphans: their segments are to come. Nor are those of sessions
// that ended after the marks, which know nothing of the segments that came last.
std::vector<format::PackName> DomainCollector::condemnable_orphans() const {
  std::vector<format::PackName> orphans = find_orphans(mark_.live(), mark_.stored());
  const vault::PackFates& fates = *domain_.log().state().fates();
  std::erase_if(orphans, [&](const format::PackName& pack) {
    return fates.contains(pack.id) || at_work_.contains(vault::AuthorId{pack.author});
  });
  return orphans;
}

CollectPlan DomainCollector::make_plan() {
  const CollectLimits limits{.max_unused_percent = request_.max_unused_percent,
                             .max_repack_bytes = request_.max_repack_bytes};
  CollectPlan plan = make_collect_plan(mark_.live(), *domain_.log().state().fates(),
                                       vault_.keyring().parameters().pack_size_bytes, limits);
  report_.unused_bytes_left += plan.unused_bytes_left;
  return plan;
}

// From here on look-ups pass over these packs, and whoever may have leaned on them before is waited for.
Status DomainCollector::condemn() {
  TRY_DO(check_may_remove());
  const std::vector<format::PackName> orphans = condemnable_orphans();
  const CollectPlan plan = make_plan();
  TRY_DO(repack(plan));
  std::vector<format::PackName> doomed = orphans;
  for (const auto& [id, pack] : plan.dead) doomed.push_back(name_of(pack));
  for (const PackUse& pack : plan.repack) {
    if (repacked_.contains(pack.info.id)) doomed.push_back(name_of(pack.info));
  }
  for (size_t first = 0; first < doomed.size(); first += packs_a_record_max) {
    TRY_DO(check_stop(request_.stop));
    const auto begin = doomed.begin() + static_cast<ptrdiff_t>(first);
    const auto end = doomed.begin() + static_cast<ptrdiff_t>(std::min(first + packs_a_record_max, doomed.size()));
    // The plan was made from the index's tables.
    const auto admit = [&] { return vault::check_tables(domain_.index()); };
    TRY_DO(append(format::LogKind::condemn, format::encode(format::CondemnBody{{begin, end}}), admit));
  }
  return {};
}

// On a full disk little or nothing can be moved; what holds nothing in use can go all the same.
Status DomainCollector::repack(const CollectPlan& plan) {
  MovedPacks moved = TRY(PackMover(vault_, domain_, mark_.live(), request_, observer_).run(plan));
  report_.no_space |= moved.no_space;
  report_.repacked_packs += moved.from.size();
  report_.repacked_bytes += moved.from_bytes;
  report_.moved_bytes += moved.live_bytes;
  report_.written_packs += moved.written_packs;
  report_.written_bytes += moved.written_bytes;
  repacked_ = std::move(moved.from);
  return {};
}

Status DomainCollector::merge_index() {
  TRY_DO(check_may_remove());
  TRY_DO(domain_.reload_index());
  const auto fates = domain_.log().state().fates();
  const LiveSet tables(domain_.index());
  IndexMerger merger(vault_, domain_, tables);
  const Status merged = merger.run(*fates);
  report_.segments_after += tables.table_count() + merger.written_count() - merger.removed_count();
  if (!merged && merged.error().code() == ErrorCode::no_space) {
    report_.no_space = true;  // Entries of purged packs stay in the index; the log says what they are worth.
  } else {
    TRY_DO(merged);
  }
  return domain_.reload_index();
}

// Forgets purged packs of which nothing is left anywhere: no object (one that a lock keeps must not pass for something
// new), no index entry, and nobody who could bring an entry back, as a collector could that began before and slept.
Status DomainCollector::clear() {
  const vault::LogState& state = domain_.log().state();
  if (state.purged().empty() || report_.no_space) return {};
  std::set<ObjectId> named;
  for (const auto& table : domain_.index().tables()) {
    for (const format::PackInfo& pack : table->view().packs()) named.insert(pack.id);
  }
  uint64_t oldest_session = UINT64_MAX;
  for (const auto& [id, session] : state.sessions()) {
    if (id != session_) oldest_session = std::min(oldest_session, session.number);
  }
  const UnixTimeNs now = state.clock().time_at(vault_.clock().now());
  format::PacksBody body;
  for (const auto& [id, pack] : state.purged()) {
    const bool is_old = pack.number < oldest_session && now - pack.log_time >= purged_known_ns;
    const bool is_left = named.contains(id) || mark_.stored().contains(pack.name);
    if (is_old && !is_left && body.packs.size() < packs_a_record_max) body.packs.push_back(id);
  }
  if (body.packs.empty()) return {};
  return append(format::LogKind::clear, format::encode(body), admit_all);
}

void DomainCollector::count_condemned() {
  const vault::LogState& state = domain_.log().state();
  uint64_t newest = 0;
  for (const auto& [id, pack] : state.condemned()) {
    ++report_.condemned_packs;
    report_.condemned_bytes += stored_size_bytes(pack.name);
    newest = std::max(newest, pack.number);
  }
  for (const auto& [id, session] : state.sessions()) {
    if (id != session_ && session.number < newest) ++report_.awaited_sessions;
  }
}

void DomainCollector::take_stock() {
  for (const auto& [name, size_bytes] : mark_.stored()) report_.bytes_before += size_bytes;
  report_.packs_before += mark_.stored().size();
  report_.segments_before += mark_.live().table_count();
}

Status DomainCollector::plan_only() {
  if (!TRY(mark())) return {};
  take_stock();
  const CollectPlan plan = make_plan();
  Condemned ready = candidates();
  for (const ObjectId& id : mark_.needed_of(ready)) ready.erase(id);
  const auto removed = [&](const format::PackName& name) {
    ++report_.removed_packs;
    report_.removed_bytes += stored_size_bytes(name);
  };
  for (const auto& [id, pack] : ready) removed(pack.name);
  for (const auto& [id, pack] : plan.dead) removed(name_of(pack));
  for (const format::PackName& pack : condemnable_orphans()) removed(pack);
  for (const PackUse& pack : plan.repack) {
    ++report_.repacked_packs;
    report_.repacked_bytes += pack.info.size_bytes;
    report_.moved_bytes += pack.live_bytes;
  }
  report_.segments_after += mark_.live().table_count();
  return {};
}

Status DomainCollector::collect() {
  TRY_DO(begin());
  if (!TRY(mark())) return {};
  take_stock();
  report_.renewed_locks += TRY(renew_locks(vault_, domain_, mark_)).renewed_count;
  // What was condemned by earlier runs goes first: on a full disk the rest needs the room.
  TRY_DO(purge());
  TRY_DO(condemn());
  if (request_.keep_deleted.count() == 0 && !candidates().empty()) {
    if (!TRY(mark())) return {};
    TRY_DO(purge());
  }
  TRY_DO(merge_index());
  TRY_DO(clear());
  count_condemned();
  return {};
}

// Whatever became of it, no later collection shall wait for this session: what it wrote so far either stands in an
// index segment or is an orphan.
Status DomainCollector::collect_and_end() {
  const Status done = collect();
  const Status ended = end();
  TRY_DO(done);
  TRY_DO(ended);
  return write_checkpoint();
}

// What a later version said in this domain's log stops us in this one; what it put into the key list, in all.
Status DomainCollector::run() {
  const Status done = request_.dry_run ? plan_only() : collect_and_end();
  if (done || !is_made_by_newer(done.error()) || !domain_.log().is_beyond_us()) return done;
  TRY_DO(vault_.keyring().check_may_write());
  refuse({}, done.error());
  return {};
}

}  // namespace

Result<CollectReport> run_collect(vault::Vault& vault, const CollectRequest& request, Observer& observer) {
  if (vault.keyring().role() == vault::Role::agent) {
    return Error(ErrorCode::refused, "an agent cannot remove anything from a vault")
        .with_hint("Use the owner's passphrase or key, or a collector's credential.");
  }
  CollectReport report;
  for (const vault::DomainId id : vault.keyring().domains()) {
    vault::Vault::Domain& domain = *TRY(vault.domain(id));
    DomainCollector collector(vault, domain, request, observer, report);
    TRY_DO(collector.run().during(fmt::format("collect domain {}", id)));
  }
  return report;
}

}  // namespace holdfast::job
