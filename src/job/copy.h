// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <stop_token>
#include <vector>

#include "base/result.h"
#include "job/observer.h"
#include "vault/vault.h"

namespace holdfast::job {

struct CopyRequest {
  codec::Effort effort = codec::Effort::auto_;
  unsigned worker_count = 0;  // 0: one for each processor.
  std::stop_token stop;
};

struct CopiedPoint {
  ObjectId from;
  vault::PointInfo to;
  bool was_there = false;     // Copied by an earlier run.
};

struct CopyReport {
  std::vector<CopiedPoint> points;  // In the order of their times.
  uint64_t read_bytes = 0;          // Plaintext fetched from the one vault.
  uint64_t stored_bytes = 0;        // Added to the other.
};

// Copies recovery points into the home domain of another vault: same entries, times, host, tags and roots; new ids,
// sealed by the other vault's keys. What that vault holds already is not stored again, and of a point whose predecessor
// was copied only the differences are read. Points that are there already (same kind, host, roots, time and size) are
// left. Points are copied oldest first, each committed by itself: after an error or stop (`cancelled`) run it again.
// `corrupt` naming the path if something cannot be read; such a point is not committed.
Result<CopyReport> run_copy(vault::Vault& from, std::vector<vault::PointInfo> points, vault::Vault& to,
                            const CopyRequest& request, Observer& observer);

}  // namespace holdfast::job
