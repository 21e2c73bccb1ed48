// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstdint>
#include <thread>
#include <unordered_set>

#include "base/mutex.h"
#include "base/result.h"
#include "job/observer.h"
#include "tree/tree.h"
#include "vault/vault.h"

namespace holdfast::job {

struct RewriteLimits {
  // Of the bytes that the run has read so far: more is not stored again, but for what it may begin with.
  uint32_t budget_percent = 4;
  uint64_t overdraft_bytes = 256 << 10;
  // What is read from the vault to restore the newest point, against what the point holds. Below, nothing is done.
  uint32_t amplification_percent = 120;
  // Bundles and packs whose live share is above these are left alone.
  uint32_t bundle_live_percent_max = 60;
  uint32_t pack_live_percent_max = 25;
  // One content in so many of the parent's must have been read again and found in the vault before the parent's tree
  // is looked at: a run that reads next to nothing pays for nothing.
  uint32_t entries_per_content = 256;
  // Up to here the tree is looked at in the middle of things; larger ones on a thread of their own.
  uint64_t entries_at_once_max = 50'000;
  size_t homes_max = 2'000'000;  // Bundles and packs that are kept in mind: 100 bytes each. Beyond, every second one.
};

// Says which contents a backup stores again though the vault holds them, so that the newest point stays as quick to
// restore as the first; see rewrite_planner.cc. Any thread.
class RewritePlanner {
 public:
  // `parent`: entries of the point that is built upon. All must outlive this.
  RewritePlanner(vault::Vault::Domain& domain, const tree::Root& parent, const Progress& progress,
                 const RewriteLimits& limits);

  // A content of `size_bytes`, which is at hand, has its home there: whether it should get another. What was said yes
  // to is charged to the budget.
  bool wants(const vault::Location& home, uint64_t size_bytes);

  uint64_t rewritten_bytes() const { return spent_bytes_.load(std::memory_order_relaxed); }

 private:
  bool is_ready();
  void make_plan(const std::stop_token& stop);

  vault::Vault::Domain& domain_;
  const tree::Root parent_;
  const Progress& progress_;
  const RewriteLimits limits_;
  std::atomic<uint64_t> found_count_ = 0;
  std::atomic<uint64_t> spent_bytes_ = 0;
  std::atomic<bool> has_begun_ = false;
  std::atomic<bool> is_ready_ = false;       // From then on chosen_ is read only.
  Mutex plan_mutex_;
  std::unordered_set<uint64_t> chosen_;      // Bundles, and packs for their chunks.
  std::jthread thread_;
};

}  // namespace holdfast::job
