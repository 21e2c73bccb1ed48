// SPDX-License-Identifier: Apache-2.0
#include "job/restore_bucket.h"

#include <algorithm>
#include <thread>

#include "job/restore_pipeline.h"
#include "job/vault_nodes.h"
#include "tree/tree.h"

namespace holdfast::job {

namespace {

// The bucket itself comes first, so that the target can make one; its configuration too where all of it is restored.
Status place_bucket_items(tree::NodeStore& nodes, const tree::Root& root, const BucketChoice& choice,
                          target::Target& target, RestorePipeline& pipeline) {
  const bool is_whole = !choice.key && choice.prefix.empty() && !choice.at && !choice.version_id;
  const Bytes from = format::encode_bucket_item_key("");
  const Bytes to = format::range_of_prefix("").from;
  return tree::for_range(nodes, root, from, to, [&](const tree::EntryView& view) -> Status {
    const bool is_bucket = equal(view.key, from);
    if (!is_bucket && !is_whole) return {};
    const format::Entry entry = TRY(format::decode_entry(view.value));
    target::Placement placement = TRY(target.place(view.key, entry));
    return pipeline.take(std::move(placement), entry, nodes);
  });
}

Error no_such_key(const BucketChoice& choice) {
  const std::string name = choice.key.value_or(choice.prefix);
  return Error(ErrorCode::not_found, name + ": no such key in this recovery point")
      .with_hint("A name that ends with a slash means all keys that begin with it.");
}

}  // namespace

Result<BucketRestoreReport> run_restore_bucket(vault::Vault& vault, const vault::PointInfo& point,
                                               target::Target& target, const BucketRestoreRequest& request,
                                               Observer& observer) {
  vault::Vault::Domain& domain = *TRY(vault.domain(point.domain));
  TRY_DO(domain.load_index_once());
  TRY_DO(target.begin());
  const unsigned worker_count =
      request.worker_count > 0 ? request.worker_count : std::max(1u, std::thread::hardware_concurrency());
  RestoreRequest plain;
  plain.dry_run = request.dry_run;
  plain.stop = request.stop;
  RestorePipeline pipeline(vault, domain, worker_count, plain, observer);
  VaultNodes nodes(domain);
  const tree::Root root = to_root(point.point.entries);
  observer.progress.entries_expected = point.point.entry_count;
  observer.progress.bytes_expected = point.point.size_bytes;

  Status walked = place_bucket_items(nodes, root, request.choice, target, pipeline);
  BucketLook look;
  look.visit = [&](std::vector<BucketVersion> newest_first) -> Status {
    if (request.stop.stop_requested()) return Error(ErrorCode::cancelled, "the restore was stopped");
    std::vector<target::KeyedEntry> group;
    for (auto version = newest_first.rbegin(); version != newest_first.rend(); ++version) {
      group.push_back({std::move(version->entry_key), std::move(version->entry)});
    }
    TRY_DO(target.begin_group(group));
    for (const target::KeyedEntry& one : group) {
      target::Placement placement = TRY(target.place(one.key, one.entry));
      TRY_DO(pipeline.take(std::move(placement), one.entry, nodes));
    }
    return {};
  };
  if (walked) walked = look_at_versions(nodes, root, request.choice, look);
  Status drained = pipeline.finish();
  TRY_DO(walked);
  TRY_DO(drained);
  const bool is_named = request.choice.key || !request.choice.prefix.empty();
  if (!look.found && is_named) return no_such_key(request.choice);
  BucketRestoreReport report{.restored = pipeline.report(), .remarks = {}};
  for (target::Problem& problem : TRY(target.finish())) {
    observer.skipped(problem.name, problem.error);
    report.restored.problems.push_back(std::move(problem));
  }
  for (const target::Problem& problem : report.restored.problems) {
    if (problem.error.code() == ErrorCode::corrupt) report.restored.damage_found = true;
  }
  report.remarks = target.remarks();
  return report;
}

}  // namespace holdfast::job
