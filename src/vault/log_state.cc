// SPDX-License-Identifier: Apache-2.0
#include "vault/log_state.h"

#include <fmt/format.h>

#include <algorithm>

namespace holdfast::vault {

namespace {

constexpr UnixTimeNs day_ns = 86'400ll * 1'000'000'000;

// Difference of two times that anybody may have written, without overflow.
UnixTimeNs elapsed(UnixTimeNs from, UnixTimeNs to) {
  UnixTimeNs difference;
  if (!__builtin_sub_overflow(to, from, &difference)) return difference;
  return to > from ? INT64_MAX : INT64_MIN;
}

}  // namespace

UnixTimeNs LogClock::time_at(UnixTimeNs now) const {
  if (last_said_ == 0) return std::max(time_, now);
  return time_ + std::clamp<UnixTimeNs>(elapsed(last_said_, now), 0, step_ns_max);
}

void LogClock::trusted_record(UnixTimeNs time) {
  time_ = time_at(time);
  last_said_ = time;
}

std::optional<std::string> LogState::apply(const LogEntry& entry, ByteView body) {
  if (entry.role != Role::agent) clock_.trusted_record(entry.time);
  switch (entry.kind) {
    case format::LogKind::session: return apply_session(entry, body);
    case format::LogKind::commit: return apply_commit(entry, body);
    case format::LogKind::end: return apply_end(entry, body);
    case format::LogKind::forget: return apply_forget(entry, body);
    case format::LogKind::fence: return apply_fence(body);
    case format::LogKind::annotate: return apply_annotate(body);
    case format::LogKind::condemn: return apply_condemn(entry, body);
    case format::LogKind::spare: return apply_spare(body);
    case format::LogKind::purge: return apply_purge(entry, body);
    case format::LogKind::clear: return apply_clear(body);
    case format::LogKind::undelete: return apply_undelete(entry, body);
    case format::LogKind::hold: return apply_hold(body);
    case format::LogKind::lock: return apply_lock(entry, body);
    case format::LogKind::checkpoint: return {};  // Says what is known here already.
  }
  return {};
}

LogState::Ignored LogState::apply_session(const LogEntry& entry, ByteView body) {
  auto session = format::decode_session_body(body);
  if (!session) return session.error().message();
  const format::SessionId id = session->session;
  // Or a writer could take over another's session, or raise one from the dead.
  if (fenced_.contains(id) || !begun_.insert(id).second) return "begins a session anew; ignored";
  sessions_[id] = {.body = std::move(*session),
                   .author = entry.author,
                   .begun = entry.time,
                   .log_time = clock_.time(),
                   .number = entry.number};
  return {};
}

LogState::Ignored LogState::apply_commit(const LogEntry& entry, ByteView body) {
  auto point = format::decode_recovery_point(body);
  if (!point) return point.error().message();
  const auto session = sessions_.find(point->session);
  if (session == sessions_.end()) return "commits a session that is not alive; ignored";
  if (session->second.author != entry.author) return "commits another author's session; ignored";
  sessions_.erase(session);  // It is over: nothing of it can be fenced any more.
  points_[entry.hash] = {.id = entry.hash,
                         .domain = domain_,
                         .number = entry.number,
                         .author = entry.author,
                         .logged = entry.time,
                         .log_time = clock_.time(),
                         .point = std::move(*point),
                         .holds = {}};
  return {};
}

LogState::Ignored LogState::apply_end(const LogEntry& entry, ByteView body) {
  const auto end = format::decode_end_body(body);
  if (!end) return end.error().message();
  const auto session = sessions_.find(end->session);
  if (session != sessions_.end() && session->second.author == entry.author) sessions_.erase(session);
  return {};
}

std::optional<std::string> LogState::kept_by(const PointInfo& point, UnixTimeNs now) const {
  if (!point.holds.empty()) return fmt::format("held by '{}'", *point.holds.begin());
  if (lock_.terms.mode == format::LockMode::none) return {};
  // By the log's clock, and not before the writer's own clock agrees: the log's may have stood still before that.
  const UnixTimeNs age = std::min(clock_.time_at(now) - point.log_time, elapsed(point.logged, now));
  const auto days_min = static_cast<UnixTimeNs>(lock_.terms.days_min);
  if (age >= days_min * day_ns) return {};
  return fmt::format("locked for {} days, of which {} have passed", days_min, std::max<UnixTimeNs>(age, 0) / day_ns);
}

LogState::Ignored LogState::apply_forget(const LogEntry& entry, ByteView body) {
  const auto forget = format::decode_forget_body(body);
  if (!forget) return forget.error().message();
  Ignored ignored;
  for (const ObjectId& id : forget->points) {
    const auto point = points_.find(id);
    if (point == points_.end()) continue;
    if (const auto reason = kept_by(point->second, entry.time)) {
      ignored = fmt::format("forgets point {}, which is {}; ignored", to_hex(id), *reason);
      continue;
    }
    forgotten_[id] = {.info = std::move(point->second), .number = entry.number, .log_time = clock_.time()};
    points_.erase(point);
  }
  return ignored;
}

LogState::Ignored LogState::apply_fence(ByteView body) {
  const auto fence = format::decode_fence_body(body);
  if (!fence) return fence.error().message();
  for (const format::SessionId& session : fence->sessions) {
    fenced_.insert(session);
    sessions_.erase(session);
  }
  return {};
}

LogState::Ignored LogState::apply_annotate(ByteView body) {
  auto annotate = format::decode_annotate_body(body);
  if (!annotate) return annotate.error().message();
  const auto point = points_.find(annotate->point);
  if (point != points_.end()) point->second.point.tags = std::move(annotate->tags);
  return {};
}

LogState::Ignored LogState::apply_condemn(const LogEntry& entry, ByteView body) {
  const auto condemn = format::decode_condemn_body(body);
  if (!condemn) return condemn.error().message();
  for (const format::PackName& pack : condemn->packs) {
    if (purged_.contains(pack.id)) continue;
    // A pack that is condemned already stays so from then on.
    condemned_.try_emplace(pack.id, CondemnedPack{pack, entry.number, clock_.time()});
  }
  fates_.reset();
  return {};
}

LogState::Ignored LogState::apply_spare(ByteView body) {
  const auto spare = format::decode_packs_body(body);
  if (!spare) return spare.error().message();
  for (const ObjectId& pack : spare->packs) condemned_.erase(pack);
  fates_.reset();
  return {};
}

LogState::Ignored LogState::apply_purge(const LogEntry& entry, ByteView body) {
  const auto purge = format::decode_packs_body(body);
  if (!purge) return purge.error().message();
  Ignored ignored;
  uint64_t newest_condemned = 0;
  for (const ObjectId& id : purge->packs) {
    const auto pack = condemned_.find(id);
    if (pack == condemned_.end()) {
      ignored = fmt::format("purges pack {}, which is not condemned; ignored", to_hex(id));
      continue;
    }
    newest_condemned = std::max(newest_condemned, pack->second.number);
    purged_.emplace(id, CondemnedPack{pack->second.name, entry.number, clock_.time()});
    condemned_.erase(pack);
  }
  last_purge_ = entry.number;
  // What was forgotten before these packs were condemned may have leaned on them.
  std::erase_if(forgotten_, [&](const auto& point) {
    if (point.second.number > newest_condemned) return false;
    gone_.insert(point.first);
    return true;
  });
  fates_.reset();
  return ignored;
}

LogState::Ignored LogState::apply_clear(ByteView body) {
  const auto clear = format::decode_packs_body(body);
  if (!clear) return clear.error().message();
  for (const ObjectId& pack : clear->packs) purged_.erase(pack);
  fates_.reset();
  return {};
}

LogState::Ignored LogState::apply_undelete(const LogEntry& entry, ByteView body) {
  const auto undelete = format::decode_points_body(body);
  if (!undelete) return undelete.error().message();
  last_undelete_ = entry.number;
  for (const ObjectId& id : undelete->points) {
    const auto point = forgotten_.find(id);
    if (point == forgotten_.end()) continue;
    points_[id] = std::move(point->second.info);
    forgotten_.erase(point);
  }
  return {};
}

LogState::Ignored LogState::apply_hold(ByteView body) {
  const auto hold = format::decode_hold_body(body);
  if (!hold) return hold.error().message();
  for (const ObjectId& id : hold->points) {
    const auto point = points_.find(id);
    if (point == points_.end()) continue;
    if (hold->lifted) {
      point->second.holds.erase(hold->name);
    } else {
      point->second.holds.insert(hold->name);
    }
  }
  return {};
}

std::optional<std::string> LogState::lock_refuses(const format::LockBody& terms, UnixTimeNs now) const {
  const format::LockBody& held = lock_.terms;
  if (held.mode != format::LockMode::compliance) return {};
  const auto cooling_off = static_cast<UnixTimeNs>(held.cooling_off_days) * day_ns;
  if (clock_.time_at(now) - lock_.log_time < cooling_off) return {};
  // It can be made stricter, and nothing else.
  const bool is_stricter = terms.mode == format::LockMode::compliance && terms.days_min >= held.days_min &&
                           (held.days_max == 0 || (terms.days_max != 0 && terms.days_max <= held.days_max));
  if (is_stricter) return {};
  return "the vault is locked for compliance, and the time to take that back has passed";
}

LogState::Ignored LogState::apply_lock(const LogEntry& entry, ByteView body) {
  const auto terms = format::decode_lock_body(body);
  if (!terms) return terms.error().message();
  if (const auto reason = lock_refuses(*terms, entry.time)) return *reason + "; ignored";
  VaultLock changed{.terms = *terms, .number = entry.number, .log_time = clock_.time()};
  // What has cooled off stays so: a stricter lock does not open the old one again.
  const bool stays_compliance = lock_.terms.mode == format::LockMode::compliance &&
                                terms->mode == format::LockMode::compliance &&
                                terms->cooling_off_days >= lock_.terms.cooling_off_days &&
                                clock_.time() - lock_.log_time >=
                                    static_cast<UnixTimeNs>(lock_.terms.cooling_off_days) * day_ns;
  if (stays_compliance) {
    changed.log_time = lock_.log_time;
    changed.terms.cooling_off_days = lock_.terms.cooling_off_days;
  }
  lock_ = changed;
  return {};
}

std::shared_ptr<const PackFates> LogState::fates() const {
  if (!fates_) {
    auto fates = std::make_shared<PackFates>();
    for (const auto& [pack, condemned] : condemned_) fates->emplace(pack, PackFate::condemned);
    for (const auto& [pack, name] : purged_) fates->emplace(pack, PackFate::purged);
    fates_ = std::move(fates);
  }
  return fates_;
}

}  // namespace holdfast::vault
