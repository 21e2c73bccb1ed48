// SPDX-License-Identifier: Apache-2.0
#include "cli/restore_bucket.h"

#include <fmt/format.h>

#include <boost/json.hpp>

#include "cli/bucket_text.h"
#include "cli/point_text.h"
#include "cli/thaw_run.h"
#include "job/restore_bucket.h"
#include "job/skipped.h"

namespace holdfast::cli {

namespace {

Result<BucketTargetRequest> target_request(const Arguments& arguments, const job::BucketChoice& choice,
                                           vault::Vault& vault, const vault::PointInfo& point) {
  for (const std::string_view option : {"include", "exclude", "overwrite", "owner", "allow", "deny"}) {
    if (!arguments.has(option)) continue;
    return Error(ErrorCode::invalid, fmt::format("--{} means nothing for a bucket", option))
        .with_hint("A part of a bucket is named behind the point: POINT:KEY, or POINT:PREFIX/.");
  }
  BucketTargetRequest request;
  request.url = arguments.get("to").value_or("");
  if (!point.point.roots.empty()) request.old_root = point.point.roots.front();
  request.only_beneath = choice.key.value_or(choice.prefix);
  request.delete_extra = arguments.has("delete");
  if (request.delete_extra) {
    auto guard = TRY(job::object_deletion_guard(vault, point));
    request.may_delete = [guard = std::move(guard), only = choice.key](std::string_view key) {
      return guard(key) && (!only || key == *only);
    };
  }
  request.dry_run = arguments.has("dry-run");
  return request;
}

}  // namespace

Result<Exit> restore_bucket(Context& context, const Arguments& arguments, vault::Vault& vault,
                            const vault::PointInfo& point, const std::optional<std::string>& name) {
  Clock& clock = context.services().clock();
  const auto begun = clock.monotonic();
  job::BucketRestoreRequest request;
  request.choice = TRY(bucket_choice(arguments, name));
  request.worker_count = static_cast<unsigned>(TRY(arguments.number("workers")).value_or(0));
  request.dry_run = arguments.has("dry-run");
  request.goes_past_lost_nodes = !arguments.has("delete");
  request.stop = context.stop();
  TRY_DO(check_thawed(context, vault, point, job::range_of(request.choice), request.dry_run));
  BucketTargetRequest place = TRY(target_request(arguments, request.choice, vault, point));
  place.stop = request.stop;
  auto target = TRY(context.services().open_bucket_target(place));
  ProgressDisplay display(context.output(), clock, "restoring");
  auto report = job::run_restore_bucket(vault, point, *target, request, display);
  display.stop();
  TRY_DO(report);
  const job::RestoreReport& restored = report->restored;
  const double seconds = std::chrono::duration<double>(clock.monotonic() - begun).count();
  Output& output = context.output();
  output.text(fmt::format("{} point {}: {} versions, {} there already, {} written in {}, {} problems",
                          request.dry_run ? "would restore" : "restored", short_name(point.id), restored.entry_count,
                          restored.kept_count, human_bytes(restored.written_bytes), human_duration(seconds),
                          restored.problems.size()));
  for (const target::Remark& remark : report->remarks) {
    output.text(fmt::format("{}: {}", remark.what, remark.count));
    output.object({{"type", "remark"}, {"what", remark.what}, {"count", remark.count}});
  }
  output.object({{"type", "summary"},
                 {"recovery_point_id", to_hex(point.id)},
                 {"entries", restored.entry_count},
                 {"kept", restored.kept_count},
                 {"bytes_written", restored.written_bytes},
                 {"skipped", restored.problems.size()},
                 {"damage", restored.damage_found},
                 {"dry_run", request.dry_run},
                 {"seconds", seconds}});
  if (restored.damage_found) return Exit::damage;
  return restored.problems.empty() ? Exit::done : Exit::skips;
}

}  // namespace holdfast::cli
