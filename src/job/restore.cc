// SPDX-License-Identifier: Apache-2.0
#include "job/restore.h"

#include <algorithm>
#include <thread>

#include "format/file_attributes.h"
#include "job/restore_pipeline.h"
#include "job/vault_nodes.h"
#include "job/walk.h"
#include "job/whole_attributes.h"

namespace holdfast::job {

Result<RestoreReport> run_restore(vault::Vault& vault, const vault::PointInfo& point, target::Target& target,
                                  const RestoreRequest& request, Observer& observer) {
  TRY_DO(check_kind_is_known(point));
  vault::Vault::Domain& domain = *TRY(vault.domain(point.domain));
  TRY_DO(domain.load_index_once());
  if (!request.dry_run) plan_reads(vault, domain, point, request.range, request.stop);
  TRY_DO(target.begin());
  const unsigned worker_count =
      request.worker_count > 0 ? request.worker_count : std::max(1u, std::thread::hardware_concurrency());
  RestorePipeline pipeline(vault, domain, worker_count, request, observer);
  VaultNodes nodes(domain);
  ChunkFetcher fetcher(domain, vault.store());

  observer.progress.entries_expected = point.point.entry_count;
  observer.progress.bytes_expected = point.point.size_bytes;
  const auto place = [&](const tree::EntryView& view) -> Status {
    if (request.stop.stop_requested()) return Error(ErrorCode::cancelled, "the restore was stopped");
    auto entry = format::decode_entry(view.value);
    if (!entry && !request.goes_past_lost_nodes) return std::move(entry.error());
    if (!entry) {
      pipeline.problem(std::string(as_text(view.key)), std::move(entry.error()));
      return {};
    }
    if (has_whole_attributes(*entry) && !request.dry_run) {
      auto attributes = read_whole_attributes(fetcher, entry->whole_attributes);
      if (!attributes) pipeline.problem(std::string(as_text(view.key)), std::move(attributes.error()));
      if (attributes) entry->attributes = std::move(*attributes);
    }
    target::Placement placement = TRY(target.place(view.key, *entry));
    if (observer.wants_entries()) pipeline.tell_entry(view.key, placement, *entry);
    return pipeline.take(std::move(placement), *entry, nodes);
  };
  const auto lose = [&](const tree::LostNode& node) -> Status {
    if (!request.goes_past_lost_nodes) return node.error;
    const auto last = node.last_key.empty() ? Result<std::string>(Error(ErrorCode::not_found, ""))
                                            : format::key_to_path(node.last_key);
    pipeline.problem(std::to_string(node.entry_count) + " entries" + (last ? " up to " + *last : ""),
                     Error(node.error));
    return {};
  };
  EntryRange range = request.range;
  if (range.as_files) {
    range.as_files->leave_out = [&](const std::string& name, Error error) {
      pipeline.problem(name, std::move(error));
    };
  }
  Status walked = for_entries(nodes, point, range, place, lose);
  Status drained = pipeline.finish();
  TRY_DO(drained);  // First: its failure may be what ended the walk.
  TRY_DO(walked);
  // Beyond this point every content is in place; folders get their metadata, what is not in the point goes.
  RestoreReport report = pipeline.report();
  for (target::Problem& problem : TRY(target.finish())) {
    observer.skipped(problem.name, problem.error);
    report.problems.push_back(std::move(problem));
  }
  for (const target::Problem& problem : report.problems) {
    if (problem.error.code() == ErrorCode::corrupt) report.damage_found = true;
  }
  return report;
}

}  // namespace holdfast::job
