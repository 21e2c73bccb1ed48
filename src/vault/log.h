// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "base/result.h"
#include "base/seams.h"
#include "format/log_record.h"
#include "store/overview.h"
#include "vault/keyring.h"
#include "vault/log_checkpoint.h"
#include "vault/log_state.h"

namespace holdfast::vault {

// One domain's log: read in order, written at its end. Record n+1 is created exclusively and names the hash of record
// n, so a committer has read all that came before. Thread-compatible.
class DomainLog {
 public:
  DomainLog(store::ObjectStore& store, const Keyring& keyring, DomainId domain, LogHead known);

  // Before the first refresh(). What is missing or other than it was seen to be becomes an alarm instead of an error:
  // for reading what is left, never for removing anything.
  void accept_history() { accepts_history_ = true; }
  // Before the first refresh(), which then shows the log as it was when `seen` was taken.
  void begin_with(std::shared_ptr<const store::Overview> seen) { opening_ = std::move(seen); }
  // Before the first refresh(). Reads every record from the first, as if no checkpoint existed.
  void read_everything() { uses_checkpoints_ = false; }
  // Before the first refresh(). As if nothing had been written after this record. REQUIRES: nothing is appended.
  void read_until(uint64_t number) { last_number_ = number; }

  // Reads what is new. `corrupt` for a gap, a chain that others than agents broke, or a history shorter or other than
  // that `known` was seen in, now and on every later call. What is no record of this log, unsigned, signed by a removed
  // author or beyond its role is ignored and counted in alarms(); links that an agent broke are counted there, too.
  Status refresh();
  // The same, by a listing that was taken just now, and of key lists. An append() that follows does not look again: if
  // another record came first, its own is not created.
  Status refresh(const store::Overview& seen);

  const LogHead& head() const { return head_; }
  const std::vector<std::string>& alarms() const { return alarms_; }
  // Records of later versions, which are no alarms: what they say is unknown, and nothing is wrong with them.
  const std::vector<Error>& newer() const { return newer_; }
  // Records were damaged or are missing: what they said is not known, so nothing may be removed.
  bool is_damaged() const { return is_damaged_; }
  // A later version's record said what this one cannot know: nothing may be removed, and which of the domain's points
  // is the latest is not known. If owner or collector said it, append() fails with `unsupported`; else for removals
  // alone.
  bool is_beyond_us() const { return newer_by_agents_ || newer_by_trusted_; }
  bool is_beyond_us_by_trusted() const { return newer_by_trusted_; }
  // Looks anew whether a later version has put something into key list or log by which no record of that kind may be
  // added, nor done what it stands for; then `unsupported`. For whoever did without append() for long.
  Status check_may_go_on(format::LogKind kind);
  const LogState& state() const { return state_; }
  const std::map<ObjectId, PointInfo>& points() const { return state_.points(); }
  const std::map<format::SessionId, LiveSession>& sessions() const { return state_.sessions(); }
  bool is_fenced(const format::SessionId& session) const { return state_.is_fenced(session); }
  bool was_forgotten(const ObjectId& point) const { return state_.was_forgotten(point); }

  // Appends a record after refreshing, if check_may_go_on(); `admit` is asked each time the log was read to its end and
  // may refuse. Retries while others append. Yields the record's hash.
  Result<ObjectId> append(format::LogKind kind, ByteView body, Rng& rng, Clock& clock,
                          const std::function<Status()>& admit);

  struct CheckpointTerms {
    uint64_t records_min = 1;    // That followed the last checkpoint.
    size_t alarms_accepted = 0;  // So many of alarms(), the first, are known to mean no loss.
  };
  // Stores what the log amounts to up to its head, for readers to come. Nothing if the log is damaged or has alarms
  // that nobody accepted: whoever begins at a checkpoint does not see what was alarming before it.
  Status write_checkpoint(const CheckpointTerms& terms, Rng& rng, Clock& clock);

 private:
  struct Accepted {
    LogEntry entry;
    Bytes body;
  };
  struct Judged {
    std::optional<Accepted> accepted;  // Nothing: to be ignored.
    bool is_unreadable = false;        // Rubbish, or a record that was damaged later: what follows tells.
  };
  Status read_record(uint64_t number);
  Result<Judged> judge(uint64_t number, ByteView object);
  Result<Judged> judge_body(const format::LogEnvelope& envelope, const Author& author);
  Result<Judged> judge_newer(const format::LogEnvelope& envelope, const Author& author);
  Status check_link(const format::LogEnvelope& envelope);
  Status read_new(const store::Overview& seen);
  Status check_may_append(format::LogKind kind) const;
  Status begin_at_checkpoint(const store::Overview& seen);
  bool leads_to(const Checkpoint& checkpoint);
  Status read_unlisted(uint64_t number);
  Status accept_gap(uint64_t number);
  Status check_known();
  bool stands(uint64_t number, std::span<const ByteView> parts);
  Result<Bytes> open_body(const format::LogEnvelope& envelope) const;
  bool admits(const format::LogEnvelope& envelope) const;
  void alarm(uint64_t number, std::string_view what);

  store::ObjectStore& store_;
  const Keyring& keyring_;
  const DomainId domain_;
  const LogHead known_;
  bool accepts_history_ = false, uses_checkpoints_ = true;
  uint64_t last_number_ = UINT64_MAX;
  std::shared_ptr<const store::Overview> opening_;  // Shared with the vault; until it was used.
  bool was_just_read_ = false;
  LogHead head_;
  bool head_is_unreadable_ = false, is_damaged_ = false, told_short_ = false;
  bool newer_by_agents_ = false, newer_by_trusted_ = false;
  uint64_t checkpoint_number_ = 0;       // The newest that was seen or written.
  std::vector<ObjectId> samples_;        // Hashes of every so-manieth record (log_checkpoint.h).
  std::vector<std::string> alarms_;
  std::vector<Error> newer_;
  LogState state_;
};

}  // namespace holdfast::vault
