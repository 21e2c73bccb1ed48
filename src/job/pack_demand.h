// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <stop_token>
#include <string>

#include "base/result.h"
#include "base/seams.h"
#include "format/bucket_key.h"
#include "store/read_plan.h"
#include "tree/damaged.h"
#include "tree/tree.h"
#include "vault/vault.h"

namespace holdfast::job {

// A part of a recovery point.
struct EntryRange {
  // Keys equal to it or beneath it; empty: all.
  Bytes beneath = {};
  // Whether an entry is wanted; none: all.
  std::function<bool(ByteView key)> wanted = {};
  // Of a bucket: its objects as files (bucket_files.h), and these are then the keys meant above.
  struct AsFiles {
    std::optional<UnixTimeNs> at;  // As it was then; nothing: as it is.
    std::function<void(const std::string& name, Error error)> leave_out;  // Hears of objects that can be no files.
  };
  std::optional<AsFiles> as_files = {};
  // Of a bucket as such: instead of `beneath`.
  std::optional<format::KeyRange> keys = {};
};

// Calls `visit` for each entry of the range, in key order, and `lose` for each node that cannot be read, as
// tree::for_range_of_damaged() does; of a bucket as files the first such node is the error returned. `not_found`,
// naming the path, if there is nothing in it.
Status for_entries(tree::NodeStore& nodes, const vault::PointInfo& point, const EntryRange& range,
                   const std::function<Status(const tree::EntryView&)>& visit,
                   const std::function<Status(const tree::LostNode&)>& lose);

// Which packs the contents of a range are read from, by their keys in the store, and how much of each. What is not in
// the index is passed over: whoever reads it tells. Reads the point's tree, no contents.
Result<std::map<std::string, store::PlannedRead>> measure_demand(vault::Vault::Domain& domain,
                                                                 const vault::PointInfo& point,
                                                                 const EntryRange& range, const std::stop_token& stop);

// Tells the store what a restore of the range is going to read, where it wants to know. What cannot be read of the tree
// is left to whoever restores.
void plan_reads(vault::Vault& vault, vault::Vault::Domain& domain, const vault::PointInfo& point,
                const EntryRange& range, const std::stop_token& stop);

}  // namespace holdfast::job
