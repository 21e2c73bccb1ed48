// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>

#include "base/result.h"
#include "format/log_record.h"
#include "format/recovery_point.h"
#include "vault/names.h"
#include "vault/pack_fates.h"

// What a domain's log amounts to, record by record. Pure: knows neither store nor keys. docs/format.md 6,
// docs/decisions/0003-collection.md.
namespace holdfast::vault {

// A recovery point as the log has it now.
struct PointInfo {
  ObjectId id;                 // Hash of its commit record.
  DomainId domain = 0;
  uint64_t number = 0;         // Of its commit record.
  AuthorId author;
  UnixTimeNs logged = 0;       // As its author's clock said.
  UnixTimeNs log_time = 0;     // As the log's clock said: LogClock.
  format::RecoveryPoint point; // Tags as annotated last.
  std::set<std::string> holds; // Names of the legal holds on it.
};

struct ForgottenPoint {
  PointInfo info;
  uint64_t number = 0;         // Of the forget record.
  UnixTimeNs log_time = 0;
};

struct LiveSession {
  format::SessionBody body;
  AuthorId author;
  UnixTimeNs begun = 0;
  UnixTimeNs log_time = 0;
  uint64_t number = 0;
};

struct CondemnedPack {
  format::PackName name;
  uint64_t number = 0;         // Of the record that condemned it.
  UnixTimeNs log_time = 0;
};

struct VaultLock {
  format::LockBody terms;
  uint64_t number = 0;
  UnixTimeNs log_time = 0;
};

// Time as a log knows it: it never goes back, only records of owner and collectors move it, and what passed between
// two of them counts for so much at most. So neither an agent's clock nor a jump of anybody's can age a point out.
class LogClock {
 public:
  static constexpr UnixTimeNs step_ns_max = 8ll * 86'400 * 1'000'000'000;
  void trusted_record(UnixTimeNs time);
  UnixTimeNs time() const { return time_; }
  // What time() would be after a record at `now`.
  UnixTimeNs time_at(UnixTimeNs now) const;
  // What owner's and collectors' clocks said last; 0: nothing yet.
  UnixTimeNs last_said() const { return last_said_; }
  void set(UnixTimeNs time, UnixTimeNs last_said) { time_ = time, last_said_ = last_said; }

 private:
  UnixTimeNs time_ = 0, last_said_ = 0;
};

// A record that was accepted: signed by a listed author within its role.
struct LogEntry {
  format::LogKind kind = format::LogKind::session;
  uint64_t number = 0;
  ObjectId hash;
  AuthorId author;
  Role role = Role::agent;
  UnixTimeNs time = 0;
};

class LogState {
 public:
  explicit LogState(DomainId domain) : domain_(domain) {}

  // What is wrong with it, if it was ignored in whole or in part.
  std::optional<std::string> apply(const LogEntry& entry, ByteView body);

  const std::map<ObjectId, PointInfo>& points() const { return points_; }
  // Forgotten points that may still be whole.
  const std::map<ObjectId, ForgottenPoint>& forgotten() const { return forgotten_; }
  const std::map<format::SessionId, LiveSession>& sessions() const { return sessions_; }
  bool is_fenced(const format::SessionId& session) const { return fenced_.contains(session); }
  bool was_forgotten(const ObjectId& point) const { return forgotten_.contains(point) || gone_.contains(point); }
  const std::map<ObjectId, CondemnedPack>& condemned() const { return condemned_; }
  // Purged and not yet cleared; number and time are the purge record's.
  const std::map<ObjectId, CondemnedPack>& purged() const { return purged_; }
  const VaultLock& lock() const { return lock_; }
  const LogClock& clock() const { return clock_; }
  // The newest purge and undelete record: who chose what to purge before must choose anew.
  uint64_t last_purge() const { return last_purge_; }
  uint64_t last_undelete() const { return last_undelete_; }

  // Why the point may not be forgotten by a record written at `now`; nothing if it may.
  std::optional<std::string> kept_by(const PointInfo& point, UnixTimeNs now) const;
  // Why the lock may not be changed to `terms` at `now`.
  std::optional<std::string> lock_refuses(const format::LockBody& terms, UnixTimeNs now) const;
  // What look-ups must know of packs; made anew when a record changed it.
  std::shared_ptr<const PackFates> fates() const;

  // docs/format.md 6.3
  friend Bytes encode(const LogState& state);
  friend Result<LogState> decode_log_state(DomainId domain, ByteView bytes);

 private:
  using Ignored = std::optional<std::string>;
  Ignored apply_session(const LogEntry& entry, ByteView body);
  Ignored apply_commit(const LogEntry& entry, ByteView body);
  Ignored apply_end(const LogEntry& entry, ByteView body);
  Ignored apply_forget(const LogEntry& entry, ByteView body);
  Ignored apply_fence(ByteView body);
  Ignored apply_annotate(ByteView body);
  Ignored apply_condemn(const LogEntry& entry, ByteView body);
  Ignored apply_spare(ByteView body);
  Ignored apply_purge(const LogEntry& entry, ByteView body);
  Ignored apply_clear(ByteView body);
  Ignored apply_undelete(const LogEntry& entry, ByteView body);
  Ignored apply_hold(ByteView body);
  Ignored apply_lock(const LogEntry& entry, ByteView body);

  DomainId domain_;
  LogClock clock_;
  std::map<ObjectId, PointInfo> points_;
  std::map<ObjectId, ForgottenPoint> forgotten_;
  std::set<ObjectId> gone_;                // Forgotten, and what they leaned on may be purged.
  std::map<format::SessionId, LiveSession> sessions_;
  std::set<format::SessionId> begun_;      // All that ever began: an id serves once.
  std::set<format::SessionId> fenced_;
  std::map<ObjectId, CondemnedPack> condemned_;
  std::map<ObjectId, CondemnedPack> purged_;
  VaultLock lock_;
  uint64_t last_purge_ = 0, last_undelete_ = 0;
  mutable std::shared_ptr<const PackFates> fates_;
};

}  // namespace holdfast::vault
