// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/mutex.h"
#include "base/result.h"
#include "format/entry.h"
#include "format/recovery_point.h"
#include "tree/tree.h"
#include "vault/vault.h"

// Bytes that others send, at any time and side by side, into recovery points of one resource: each commit is a point
// that holds all entries there are.
//
// Contents are stored as they come, in a session that many share; a commit ends it and the next content begins another.
// What was stored in an earlier session may meanwhile have been condemned by a collection, so a commit asks for every
// chunk it names, and stores again what cannot be leaned on any more. Commits asked for while one is under way become
// one together.
namespace holdfast::job {

struct IngestOptions {
  format::RecoveryPoint about;       // kind, entry_kind, host, user, roots, program_version: of each point.
  unsigned lane_count = 2;           // So many contents are stored at once; others wait.
  // A session ends, without a point, when it is so old, and when nobody has used it for so long.
  std::chrono::nanoseconds session_age_max = std::chrono::hours(1);
  std::chrono::nanoseconds session_idle_max = std::chrono::seconds(30);
  // Of tree nodes kept in memory until they can be read back: those of some 100 GB of contents.
  size_t fresh_size_bytes_max = 48 << 20;
  // Keeps how far the vault's logs have come, for later runs (vault::LocalState). Called after the first commit, before
  // anybody hears of it, and then so often at most; nobody else uses the logs meanwhile. Any thread.
  std::function<void()> remember = {};
  std::chrono::nanoseconds remember_interval = std::chrono::minutes(1);
};

// An entry as it shall be: its content is the parts one after the other, or the one content of its own.
struct IngestEntry {
  Bytes attributes;
  std::vector<format::Content> parts;
};
using IngestChanges = std::map<Bytes, std::optional<IngestEntry>>;  // Nothing: removed.

// The entries as they stand before a deed.
class IngestView {
 public:
  virtual ~IngestView() = default;
  // Keys from <= key < to.
  virtual Result<std::vector<Bytes>> keys(ByteView from, ByteView to) = 0;
};
// What to change. An error is the deed's own and changes nothing, as does a deed that names a content which is gone.
// May be called again, on a newer state.
using IngestDeed = std::function<Result<IngestChanges>(IngestView& view)>;

// Any thread. The vault outlives it.
class Ingest {
 public:
  // Finds the newest point of the same kind and roots, to build upon.
  static Result<std::unique_ptr<Ingest>> open(vault::Vault& vault, IngestOptions options);
  ~Ingest();

  // The newest point; nothing if there is none yet. Waits for no store.
  std::optional<vault::PointInfo> head() EXCLUDES(head_mutex_);

  // Stores bytes that are a content of their own.
  Result<format::Content> store(ByteView bytes) EXCLUDES(mutex_);
  // Stores a stretch of a larger content.
  Result<std::vector<format::Extent>> store_stretch(ByteView bytes) EXCLUDES(mutex_);
  Result<format::Content> content_of(const std::vector<format::Extent>& extents) EXCLUDES(mutex_);

  // Returns when the point that holds the changes is durable. `conflict` and the like from the deed; `not_found` if a
  // content that it names is gone, which touches no other deed; `busy` if it did not come to a commit, however often it
  // was tried.
  Status commit(IngestDeed deed) EXCLUDES(mutex_);

  // Ends a session that is too old or unused, and has remembered what is due. To be called now and then.
  Status rest() EXCLUDES(mutex_);
  // Ends the session, if there is one. Nothing may be under way.
  Status finish() EXCLUDES(mutex_);

  // Of deeds that wait for the commit under way to end.
  size_t waiting_count_for_test() EXCLUDES(mutex_);

 private:
  struct Lane;
  struct Generation;
  struct Ticket;
  struct AdoptedEntry;
  using AdoptedChanges = std::map<Bytes, std::optional<AdoptedEntry>>;
  class View;
  Ingest(vault::Vault& vault, IngestOptions options);
  Result<Generation*> begin_generation() REQUIRES_LOCK(mutex_);
  Status end_generation() REQUIRES_LOCK(mutex_);
  bool has_free_lane() REQUIRES_LOCK(mutex_);
  template <class T>
  Result<T> with_lane(const std::function<Result<T>(Lane&)>& use) EXCLUDES(mutex_);
  std::unique_ptr<Lane> make_lane(Generation& generation);
  void lead() EXCLUDES(mutex_);
  void commit_batch(std::vector<std::shared_ptr<Ticket>>& batch) EXCLUDES(mutex_);
  Result<bool> attempt(Generation& generation, std::vector<std::shared_ptr<Ticket>>& batch) EXCLUDES(mutex_);
  Result<AdoptedChanges> outcome_of(const Ticket& ticket, Lane& lane, const tree::Root& root,
                                    const AdoptedChanges& before);
  Result<format::Content> adopt(Lane& lane, const std::vector<format::Content>& parts);
  Status apply(Lane& lane, const AdoptedChanges& changes, const std::optional<vault::PointInfo>& base,
               format::RecoveryPoint& point);
  Status refresh_log();
  std::optional<vault::PointInfo> newest_point();
  void set_head(std::optional<vault::PointInfo> head) EXCLUDES(head_mutex_);
  bool is_due_to_remember() REQUIRES_LOCK(mutex_);
  // REQUIRES: this thread leads.
  void remember_if_due() EXCLUDES(mutex_);

  vault::Vault& vault_;
  const IngestOptions options_;
  vault::Vault::Domain* domain_ = nullptr;
  Mutex mutex_;
  ConditionVariable changed_;
  std::unique_ptr<Generation> generation_ GUARDED_BY(mutex_);
  bool is_committing_ GUARDED_BY(mutex_) = false;  // Then no lane is lent any more, and one thread leads.
  std::vector<std::shared_ptr<Ticket>> waiting_ GUARDED_BY(mutex_);
  bool has_news_ GUARDED_BY(mutex_) = false;  // Committed, and not remembered.
  std::optional<std::chrono::nanoseconds> remembered_ GUARDED_BY(mutex_);
  // Apart: the other is held while a session begins or ends, and who only reads need not wait for that.
  Mutex head_mutex_;
  std::optional<vault::PointInfo> head_ GUARDED_BY(head_mutex_);
};

}  // namespace holdfast::job
