// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "format/index_segment.h"
#include "format/log_record.h"
#include "job/live_set.h"
#include "vault/names.h"

// Which packs a collection removes, moves or leaves. Pure.
namespace holdfast::job {

// A pack that holds something in use.
struct PackUse {
  format::PackInfo info;
  uint64_t live_bytes = 0;
  uint64_t live_count = 0;
};

struct CollectPlan {
  std::map<ObjectId, format::PackInfo> dead;  // Nothing in them is in use.
  std::vector<PackUse> repack;         // The most wasteful first.
  std::vector<format::PackName> orphans;  // No segment names them.
  uint64_t unused_bytes_left = 0;
};

struct CollectLimits {
  double max_unused_percent = 5;
  uint64_t max_repack_bytes = UINT64_MAX;
};

// Packs in `out_of_question` (condemned or purged already) are left out; those that are missing are dead if nothing in
// them is in use, and never moved. A pack that is partly in use is moved while more than the limit of all that stays
// would be unused; packs much smaller than `pack_size_bytes` are moved when there are many.
CollectPlan make_collect_plan(const LiveSet& live, const vault::PackFates& out_of_question, uint64_t pack_size_bytes,
                              const CollectLimits& limits);

// Packs of the store that no segment names.
std::vector<format::PackName> find_orphans(const LiveSet& live, const std::map<format::PackName, uint64_t>& stored);

// The records in use of each of `packs`, by offset, each once: several segments may name one.
std::map<ObjectId, std::vector<format::ChunkLocation>> live_records(const LiveSet& live,
                                                                    const std::set<ObjectId>& packs);

// Appends `from`, whose references count from its own beginnings, to `to`.
void append_contents(format::SegmentContents& to, const format::SegmentContents& from);

}  // namespace holdfast::job
