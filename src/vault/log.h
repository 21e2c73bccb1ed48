// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <vector>

#include "base/result.h"
#include "base/seams.h"
#include "format/log_record.h"
#include "format/recovery_point.h"
#include "store/object_store.h"
#include "vault/keyring.h"

namespace holdfast::vault {

// The newest record of a domain's log that this client has seen; kept between runs.
struct LogHead {
  uint64_t number = 0;  // 0: none seen.
  ObjectId hash;
};

// A recovery point as the log has it now.
struct PointInfo {
  ObjectId id;                 // Hash of its commit record.
  DomainId domain = 0;
  uint64_t number = 0;         // Of its commit record.
  AuthorId author;
  UnixTimeNs logged = 0;
  format::RecoveryPoint point; // Tags as annotated last.
};

struct LiveSession {
  format::SessionBody body;
  AuthorId author;
  UnixTimeNs begun = 0;
  uint64_t number = 0;
};

// One domain's log: read in order, written at its end. Record n+1 is created exclusively and names the hash of record
// n, so a committer has read all that came before. Thread-compatible.
class DomainLog {
 public:
  DomainLog(store::ObjectStore& store, const Keyring& keyring, DomainId domain, LogHead known);

  // Reads what is new. `corrupt` for a gap, a broken chain, or a history that is shorter than, or other than, the one
  // `known` was seen in, now and on every later call. What is no record of this log, unsigned, signed by a removed
  // author or beyond its author's role is ignored and counted in alarms().
  Status refresh();

  const LogHead& head() const { return head_; }
  const std::vector<std::string>& alarms() const { return alarms_; }
  const std::map<ObjectId, PointInfo>& points() const { return points_; }
  const std::map<format::SessionId, LiveSession>& sessions() const { return sessions_; }
  bool is_fenced(const format::SessionId& session) const { return fenced_.contains(session); }
  bool was_forgotten(const ObjectId& point) const { return forgotten_.contains(point); }

  // Appends a record after refreshing; `admit` is asked each time the log was read to its end and may refuse. Retries
  // while others append. Yields the record's hash.
  Result<ObjectId> append(format::LogKind kind, ByteView body, Rng& rng, Clock& clock,
                          const std::function<Status()>& admit);

 private:
  struct Accepted {
    format::LogEnvelope envelope;
    Bytes body;
  };
  Status read_record(uint64_t number);
  // Nothing if the record is to be ignored.
  Result<std::optional<Accepted>> judge(uint64_t number, ByteView object);
  bool stands(uint64_t number, std::span<const ByteView> parts);
  Result<Bytes> open_body(const format::LogEnvelope& envelope) const;
  void apply(const format::LogEnvelope& envelope, const ObjectId& hash, ByteView body);
  void apply_session(const format::LogEnvelope& envelope, ByteView body);
  void apply_commit(const format::LogEnvelope& envelope, const ObjectId& hash, ByteView body);
  bool admits(const format::LogEnvelope& envelope) const;
  void alarm(uint64_t number, std::string_view what);

  store::ObjectStore& store_;
  const Keyring& keyring_;
  const DomainId domain_;
  const LogHead known_;
  LogHead head_;
  std::vector<std::string> alarms_;
  std::map<ObjectId, PointInfo> points_;
  std::set<ObjectId> forgotten_;
  std::map<format::SessionId, LiveSession> sessions_;
  std::set<format::SessionId> begun_;  // All that ever began: an id serves once.
  std::set<format::SessionId> fenced_;
};

}  // namespace holdfast::vault
