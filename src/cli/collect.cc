// SPDX-License-Identifier: Apache-2.0
#include "job/collect.h"

#include <algorithm>
#include <boost/json.hpp>
#include <charconv>
#include <fmt/format.h>

#include "base/newer.h"
#include "cli/collect_run.h"
#include "cli/commands.h"
#include "cli/context.h"
#include "cli/display_text.h"
#include "cli/point_text.h"

namespace holdfast::cli {

namespace {

constexpr Option options[] = {
    {"dry-run", 'n', "", "Find out what could be freed and change nothing"},
    {"max-unused", 0, "PERCENT", "Leave so much unused room in packs that are partly in use (5)"},
    {"max-repack", 0, "BYTES", "Move no more than this in one run; K, M, G and T are understood"},
    {"keep-deleted", 0, "SPAN", "Remove only what was condemned so long ago: 36h, 14d (the default), 4w; 0: at once"},
    {"fence", 0, "WHICH", "End sessions that are 'idle' (the default), 'all' others, or 'none'"},
    {"accept-alarms", 0, "", "Collect even where the log has alarms that you have looked into"},
};

Result<double> max_unused_of(const Arguments& arguments) {
  std::string text = arguments.get("max-unused").value_or("5");
  if (text.ends_with('%')) text.pop_back();
  double percent = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), percent);
  if (error != std::errc() || end != text.data() + text.size() || !(percent >= 0 && percent <= 100)) {
    return Error(ErrorCode::invalid, "--max-unused: '" + text + "' is not between 0 and 100 percent");
  }
  return percent;
}

Result<job::FencePolicy> fence_of(const Arguments& arguments) {
  const std::string text = arguments.get("fence").value_or("idle");
  if (text == "idle") return job::FencePolicy::idle;
  if (text == "all") return job::FencePolicy::all;
  if (text == "none") return job::FencePolicy::none;
  return Error(ErrorCode::invalid, "--fence: '" + text + "' is none of idle, all and none");
}

Result<job::CollectRequest> collect_request(const Arguments& arguments) {
  job::CollectRequest request;
  request.dry_run = arguments.has("dry-run");
  request.max_unused_percent = TRY(max_unused_of(arguments));
  request.max_repack_bytes = TRY(arguments.size("max-repack")).value_or(UINT64_MAX);
  request.keep_deleted = TRY(arguments.duration("keep-deleted")).value_or(keep_deleted_default);
  request.fence = TRY(fence_of(arguments));
  request.accept_alarms = arguments.has("accept-alarms");
  return request;
}

Status check(const Arguments& arguments) {
  TRY_DO(collect_request(arguments));
  return {};
}

void tell_refused(Output& output, const job::RefusedDomain& refused) {
  const std::string id = refused.point ? to_hex(*refused.point) : "";
  boost::json::object object{{"type", "refused"},
                             {"domain", refused.domain},
                             {"code", to_string(refused.error.code())},
                             {"message", refused.error.message()}};
  if (!id.empty()) object["point"] = id;
  output.object(object);
  if (output.json()) return;
  output.line(fmt::format("domain {} was left as it is{}: {}", refused.domain, id.empty() ? "" : ", for point " + id,
                          display_message(refused.error.message())));
  if (!refused.error.hint().empty()) output.line("HINT: " + refused.error.hint());
}

// Nothing is wrong with a domain that others were collecting, or that a later version wrote in.
Exit exit_of(const std::vector<job::RefusedDomain>& refused) {
  const auto is_well = [](const job::RefusedDomain& domain) {
    return domain.error.code() == ErrorCode::changed || is_made_by_newer(domain.error);
  };
  if (!std::ranges::all_of(refused, is_well)) return Exit::damage;
  return refused.empty() ? Exit::done : Exit::skips;
}

void tell_summary(Output& output, const job::CollectReport& report, bool dry_run, double seconds) {
  const uint64_t gone = dry_run ? report.removed_bytes + report.repacked_bytes : report.purged_bytes;
  const uint64_t freed = gone > report.written_bytes ? gone - report.written_bytes : 0;
  output.text(fmt::format("{} {} of {}: {} packs removed, {} packs written again as {}",
                          dry_run ? "would free" : "freed", human_bytes(freed), human_bytes(report.bytes_before),
                          report.removed_packs, report.repacked_packs, report.written_packs));
  output.text(fmt::format("{} index segments, {} before; {} unused left in packs; {} sessions of the dead ended; in {}",
                          report.segments_after, report.segments_before, human_bytes(report.unused_bytes_left),
                          report.fenced_sessions, human_duration(seconds)));
  if (report.condemned_packs > 0) {
    output.text(fmt::format("{} in {} packs are condemned and go when their time has come{}",
                            human_bytes(report.condemned_bytes), report.condemned_packs,
                            report.awaited_sessions == 0
                                ? std::string()
                                : fmt::format(" and {} older sessions have ended", report.awaited_sessions)));
  }
  if (report.locked_packs > 0) {
    output.text(fmt::format("{} in {} packs are locked in the store and go when their locks have ended",
                            human_bytes(report.locked_bytes), report.locked_packs));
  }
  if (report.renewed_locks > 0) output.text(fmt::format("{} locks renewed", report.renewed_locks));
  if (report.no_space) output.text("the store is full: nothing was moved");
  output.object({{"type", "summary"},
                 {"dry_run", dry_run},
                 {"packs_before", report.packs_before},
                 {"bytes_before", report.bytes_before},
                 {"bytes_freed", freed},
                 {"packs_purged", report.purged_packs},
                 {"bytes_purged", report.purged_bytes},
                 {"packs_condemned", report.condemned_packs},
                 {"bytes_condemned", report.condemned_bytes},
                 {"packs_locked", report.locked_packs},
                 {"bytes_locked", report.locked_bytes},
                 {"locks_renewed", report.renewed_locks},
                 {"packs_spared", report.spared_packs},
                 {"sessions_awaited", report.awaited_sessions},
                 {"packs_removed", report.removed_packs},
                 {"bytes_removed", report.removed_bytes},
                 {"packs_repacked", report.repacked_packs},
                 {"bytes_repacked", report.repacked_bytes},
                 {"bytes_moved", report.moved_bytes},
                 {"packs_written", report.written_packs},
                 {"bytes_written", report.written_bytes},
                 {"bytes_unused_left", report.unused_bytes_left},
                 {"segments_before", report.segments_before},
                 {"segments_after", report.segments_after},
                 {"sessions_fenced", report.fenced_sessions},
                 {"domains_refused", report.refused.size()},
                 {"seconds", seconds}});
}

Result<Exit> run(Context& context, const Arguments& arguments) {
  return collect(context, TRY(collect_request(arguments)));
}

}  // namespace

Result<Exit> collect(Context& context, job::CollectRequest request) {
  Clock& clock = context.services().clock();
  const auto begun = clock.monotonic();
  request.stop = context.stop();
  vault::Vault& vault = *TRY(context.open_vault());
  ProgressDisplay display(context.output(), clock, "collecting");
  const auto report = job::run_collect(vault, request, display);
  display.stop();
  TRY_DO(report);
  for (const job::RefusedDomain& refused : report->refused) tell_refused(context.output(), refused);
  tell_summary(context.output(), *report, request.dry_run,
               std::chrono::duration<double>(clock.monotonic() - begun).count());
  return exit_of(report->refused);
}

Command collect_command() {
  return {.name = "collect",
          .positionals = "",
          .summary = "Free the room that no recovery point needs",
          .description = "Works beside backups and other collections, from any machine, and may be interrupted at any "
                         "moment. What no point needs is condemned first and removed by a later run, once "
                         "--keep-deleted has passed; until then 'holdfast undelete' brings forgotten points back. "
                         "A domain in which something cannot be read is left as it is (exit code 20); so is one in "
                         "which other collections remove so much meanwhile that this one cannot follow, or in which a "
                         "newer Holdfast wrote what this one does not know (3).",
          .options = options,
          .positionals_min = 0,
          .positionals_max = 0,
          .check = check,
          .run = run};
}

}  // namespace holdfast::cli
