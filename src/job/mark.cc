// SPDX-License-Identifier: Apache-2.0
#include "job/mark.h"

#include <algorithm>

#include "base/newer.h"
#include "vault/pack_survey.h"

namespace holdfast::job {

namespace {

// Another collector may remove what we are about to read; so often it is worth looking again.
constexpr int attempts_max = 4;

// Ends the walk at the first thing that is broken, and remembers in which point.
class MarkVisitor : public ReachabilityVisitor {
 public:
  MarkVisitor(const LiveSet& live, Observer& observer) : live_(live), observer_(observer) {}
  Status reached(const Reference& reference, LiveSet::Place chunk) override {
    const format::PackInfo& pack = live_.pack(chunk);
    if (!live_.is_missing(pack.id)) return {};
    return broken(reference, Error(ErrorCode::corrupt, "pack " + to_hex(pack.id) + ", which it needs, is missing")
                                 .with_hint("Run 'holdfast repair'; then back up again."));
  }
  Status broken(const Reference& reference, Error error) override {
    point = reference.point;
    return error;
  }
  void entry_visited() override { observer_.progress.entries_done.fetch_add(1, std::memory_order_relaxed); }

  std::optional<ObjectId> point;

 private:
  const LiveSet& live_;
  Observer& observer_;
};

}  // namespace

Status Mark::list_packs() {
  for (const vault::PackKind kind : {vault::PackKind::data, vault::PackKind::metadata}) {
    const auto take = [&](const store::ObjectInfo& object) -> Status {
      const auto name = vault::parse_object_key(object.key);
      if (!name) return {};
      stored_[{static_cast<uint8_t>(kind), name->author.value, name->id}] = object.size_bytes;
      return {};
    };
    TRY_DO(vault_.store().list(vault::pack_prefix(kind, domain_.id()), "", take));
  }
  return {};
}

// A pack may be named and missing without harm: it was lost and its content was stored again, or a collector that slept
// for longer than purged packs stay known has written a segment that names one. One of which something is left, but
// less than it takes to read it, is missing too: what was stored again stands elsewhere, and that is what must stay.
Status Mark::find_missing() {
  const auto& purged = domain_.log().state().purged();
  return live_->find_missing([&](const format::PackInfo& pack) -> Result<bool> {
    const format::PackName name = vault::name_of(pack);
    const auto found = stored_.find(name);
    if (found != stored_.end() && found->second >= pack.size_bytes) return true;
    if (purged.contains(pack.id)) return false;
    return vault::is_stored(vault_.store(), vault::pack_key(domain_.id(), name), pack.size_bytes);
  });
}

Result<std::optional<Mark::Refusal>> Mark::run(bool accept_alarms) {
  for (int attempt = 1; attempt <= attempts_max; ++attempt) {
    auto refusal = TRY(run_once(accept_alarms));
    if (!refusal) return refusal;
    TRY_DO(domain_.log().refresh());
    // Whoever is overtaken by a purge finds things missing that no point needs any more: no damage can be told from it.
    if (domain_.log().state().last_purge() == last_purge_) return refusal;
  }
  return Refusal{{}, Error(ErrorCode::changed, "other collections removed packs all the while that this one looked")
                         .with_hint("Nothing is wrong: run it again when they have ended.")};
}

Result<std::optional<Mark::Refusal>> Mark::run_once(bool accept_alarms) {
  stored_.clear();
  walked_.clear();
  vault::DomainLog& log = domain_.log();
  TRY_DO(log.refresh());
  if (log.is_beyond_us()) {
    return Refusal{{}, made_by_newer("a record in the log of domain " + std::to_string(domain_.id()))};
  }
  if (log.is_damaged() || (!log.alarms().empty() && !accept_alarms)) {
    const std::string why = log.alarms().empty() ? "the log is damaged" : log.alarms().front();
    return Refusal{{}, Error(ErrorCode::corrupt, why)
                           .with_hint("What was lost may have been a recovery point: look into it first.")};
  }
  last_purge_ = log.state().last_purge();
  TRY_DO(domain_.reload_index());
  if (const auto damage = domain_.index_damage(); !damage.empty()) {
    return Refusal{{}, Error(damage.front().error).during(damage.front().key)};
  }
  live_ = std::make_unique<LiveSet>(domain_.index());
  TRY_DO(list_packs());
  TRY_DO(find_missing());
  const auto is_walked = [&](const auto& point) { return walked_.contains(point.first); };
  while (!std::all_of(log.points().begin(), log.points().end(), is_walked)) {
    if (auto refusal = TRY(walk_points())) return refusal;
    TRY_DO(log.refresh());
    TRY_DO(domain_.load_index());
    live_->add_new_tables(domain_.index());
    TRY_DO(find_missing());
  }
  return std::optional<Refusal>();
}

Result<std::optional<Mark::Refusal>> Mark::walk_points() {
  MarkVisitor visitor(*live_, observer_);
  Reachability walk(domain_, *live_, Reachability::Leaves::needed, visitor, stop_);
  for (const auto& [id, point] : domain_.log().points()) {
    if (!walked_.insert(id).second) continue;
    const Status walked = walk.walk(point);
    if (walked) continue;
    if (!visitor.point) return walked.error();  // Stopped.
    return Refusal{visitor.point, walked.error()};
  }
  return std::optional<Refusal>();
}

// Calls `found` once a pack and table.
void Mark::find_in_use(const std::function<bool(const format::PackInfo&)>& is_asked,
                       const std::function<void(const format::PackInfo&)>& found) const {
  for (size_t table = 0; table < live_->table_count(); ++table) {
    const format::SegmentView& view = live_->table(table).view();
    std::vector<bool> asked(view.packs().size());
    bool any = false;
    for (size_t place = 0; place < asked.size(); ++place) {
      asked[place] = is_asked(view.packs()[place]);
      any = any || asked[place];
    }
    for (uint32_t entry = 0; any && entry < view.chunk_count(); ++entry) {
      const uint32_t pack = view.chunk(entry).pack;
      if (!asked[pack] || !live_->is_chunk_marked({static_cast<uint32_t>(table), entry})) continue;
      found(view.packs()[pack]);
      asked[pack] = false;
    }
  }
}

std::set<ObjectId> Mark::needed_of(const std::map<ObjectId, vault::CondemnedPack>& condemned) const {
  std::set<ObjectId> needed;
  find_in_use([&](const format::PackInfo& pack) { return condemned.contains(pack.id); },
              [&](const format::PackInfo& pack) { needed.insert(pack.id); });
  return needed;
}

std::set<format::PackName> Mark::packs_in_use() const {
  std::set<format::PackName> used;
  find_in_use([](const format::PackInfo&) { return true; },
              [&](const format::PackInfo& pack) { used.insert({pack.kind, pack.author, pack.id}); });
  return used;
}

}  // namespace holdfast::job
