// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "format/index_segment.h"
#include "job/live_set.h"
#include "vault/names.h"

// Which packs a collection removes, moves or leaves. Pure.
namespace holdfast::job {

struct PlannedPack {
  format::PackInfo info;
  std::vector<format::ChunkLocation> live;  // By offset.
  uint64_t live_bytes = 0;
};

struct CollectPlan {
  std::set<ObjectId> dead;             // Nothing in them is in use.
  std::vector<PlannedPack> repack;     // The most wasteful first.
  std::set<std::string> orphans;       // Keys of packs that no segment names.
  uint64_t removed_bytes = 0;          // Of dead packs and orphans.
  uint64_t unused_bytes_left = 0;
};

struct CollectLimits {
  double max_unused_percent = 5;
  uint64_t max_repack_bytes = UINT64_MAX;
};

// Packs in `missing` are left out. A pack that is partly in use is moved while more than the limit of all that stays
// would be unused; packs much smaller than `pack_size_bytes` are moved when there are many.
CollectPlan make_collect_plan(const LiveSet& live, const std::set<ObjectId>& missing, uint64_t pack_size_bytes,
                              const CollectLimits& limits);

// Adds the stored packs (key and size) that no segment names.
void add_orphans(CollectPlan& plan, const LiveSet& live, vault::DomainId domain,
                 const std::map<std::string, uint64_t>& stored);

// Appends `from`, whose references count from its own beginnings, to `to`.
void append_contents(format::SegmentContents& to, const format::SegmentContents& from);

}  // namespace holdfast::job
