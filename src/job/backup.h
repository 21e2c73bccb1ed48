// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "base/result.h"
#include "job/backup_pipeline.h"
#include "job/observer.h"
#include "job/rewrite_planner.h"
#include "source/source.h"
#include "vault/vault.h"

namespace holdfast::job {

struct BackupRequest {
  std::string host;
  std::string user;
  std::vector<std::string> tags;
  std::string description;
  std::string program_version;
  std::optional<UnixTimeNs> time;       // What the point calls its time; none: when the run began.
  std::optional<ObjectId> parent;       // None: the newest point of the same host, kind and roots.
  bool ignore_parent = false;           // Read everything.
  codec::Effort effort = codec::Effort::auto_;
  Profile* profile = nullptr;         // Null: nothing is timed.
  unsigned worker_count = 0;            // 0: one for each processor.
  RewriteLimits rewrite;
  std::stop_token stop;
};

struct BackupReport {
  vault::PointInfo point;
  BackupCounts counts;
  std::vector<SkippedItem> skipped;     // Up to a bound; counts.skipped_count has the number.

  // Packs that the index names and the store has lost, and segments of the index that are damaged: what they alone knew
  // counts as lost. What of it the parent had was read again, so that the new point is whole; so are earlier points
  // again, as far as the files were still the same.
  uint64_t lost_pack_count = 0;
  uint64_t damaged_segment_count = 0;
  bool was_tree_lost = false;           // Nothing could be built upon the parent: everything was read.
  uint64_t lost_content_count = 0;      // Pieces and chunks of the parent that were lost, unless its tree was,
  uint64_t healed_content_count = 0;    // and those of them that are there again.

  // What the source failed to do once the point was there (source::Source::committed()).
  std::optional<Error> after_commit;

  // Of what was stored: held already, but scattered.
  uint64_t rewritten_bytes = 0;
};

// Backs a source up into the vault's home domain. Skips are data: the run then succeeds with counts.skipped_count > 0.
// A stop request ends it with `cancelled`; what was stored is found again by the next run.
Result<BackupReport> run_backup(vault::Vault& vault, source::Source& source, const BackupRequest& request,
                                Observer& observer);

// What a backup would do, by scan alone: nothing is read or written.
Result<BackupReport> plan_backup(vault::Vault& vault, source::Source& source, const BackupRequest& request,
                                 Observer& observer);

// What a first backup of the source would hold; reads no contents, and no vault. For whoever shows how much is left.
Result<BackupCounts> count_source(source::Source& source, std::stop_token stop);

}  // namespace holdfast::job
