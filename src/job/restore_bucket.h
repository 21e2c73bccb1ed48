// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <stop_token>

#include "job/bucket_choice.h"
#include "job/observer.h"
#include "job/restore.h"
#include "target/target.h"

namespace holdfast::job {

struct BucketRestoreRequest {
  BucketChoice choice;
  unsigned worker_count = 0;  // 0: one for each processor.
  bool dry_run = false;
  bool goes_past_lost_nodes = true;  // As in RestoreRequest.
  std::stop_token stop;
};

struct BucketRestoreReport {
  RestoreReport restored;
  std::vector<target::Remark> remarks;  // What could not be as it was.
};

// Restores a bucket's point, or part of it, through a target that takes versions: each key's one after the other, the
// oldest first. The rest as run_restore(). `not_found`, and the target is left as it was, if a part is asked for and
// there is nothing in it.
Result<BucketRestoreReport> run_restore_bucket(vault::Vault& vault, const vault::PointInfo& point,
                                               target::Target& target, const BucketRestoreRequest& request,
                                               Observer& observer);

}  // namespace holdfast::job
