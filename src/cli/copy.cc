// SPDX-License-Identifier: Apache-2.0
#include "job/copy.h"

#include <boost/json.hpp>
#include <fmt/format.h>

#include "cli/commands.h"
#include "cli/context.h"
#include "cli/display_text.h"
#include "cli/point_text.h"

namespace holdfast::cli {

namespace {

constexpr Option options[] = {
    {"from-vault", 0, "URL", "The vault to copy from; needed"},
    {"from-password-file", 0, "FILE", "Its passphrase, from a file (HOLDFAST_FROM_PASSWORD_FILE)"},
    {"from-password-command", 0, "COMMAND", "Its passphrase, as a command prints it (HOLDFAST_FROM_PASSWORD_COMMAND)"},
    {"from-key-file", 0, "FILE", "Open it with a key file (HOLDFAST_FROM_KEY_FILE)"},
    {"from-recovery-key-file", 0, "FILE", "Open it with a recovery key (HOLDFAST_FROM_RECOVERY_KEY_FILE)"},
    {"host", 'H', "HOST", "Only points of this host"},
    {"path", 0, "PATH", "Only points with this root", true},
    {"tag", 0, "TAG", "Only points with this tag", true},
    {"dry-run", 'n', "", "Show which points would be copied and write nothing"},
    {"workers", 0, "N", "Threads that read and write (one a processor)"},
};

Status check(const Arguments& arguments) {
  if (arguments.has("from-vault")) return {};
  return Error(ErrorCode::invalid, "no vault to copy from").with_hint("Give --from-vault URL.");
}

Result<std::vector<vault::PointInfo>> chosen_points(vault::Vault& from, const Arguments& arguments) {
  const job::PointFilter filter = filter_of(arguments);
  if (arguments.positionals().empty()) {
    std::vector<vault::PointInfo> points = TRY(from.points());
    std::erase_if(points, [&](const vault::PointInfo& point) { return !job::matches(filter, point); });
    return points;
  }
  std::vector<vault::PointInfo> points;
  for (const std::string& name : arguments.positionals()) points.push_back(TRY(find_point(from, name, filter)));
  return points;
}

void tell_point(Output& output, const vault::PointInfo& from, const vault::PointInfo* to, bool was_there) {
  const std::string_view did = to == nullptr ? "would copy" : was_there ? "there already" : "copied";
  const std::string as = to == nullptr ? "" : " as " + short_name(to->id);
  output.text(fmt::format("{}: {} of {} at {}{}", did, short_name(from.id), display_path(from.point.host),
                          local_time_text(from.point.begun), as));
  boost::json::object object{{"type", "copy"}, {"from", to_hex(from.id)}, {"existed", was_there}};
  if (to != nullptr) object["recovery_point_id"] = to_hex(to->id);
  output.object(object);
}

void tell_report(Output& output, const job::CopyReport& report, const std::vector<vault::PointInfo>& points,
                 double seconds) {
  uint64_t copied = 0;
  for (const job::CopiedPoint& point : report.points) {
    const auto from = std::find_if(points.begin(), points.end(),
                                   [&](const vault::PointInfo& one) { return one.id == point.from; });
    if (from != points.end()) tell_point(output, *from, &point.to, point.was_there);
    copied += point.was_there ? 0 : 1;
  }
  output.text(fmt::format("copied {} of {} points; read {}, stored {}, in {}", copied, report.points.size(),
                          human_bytes(report.read_bytes), human_bytes(report.stored_bytes), human_duration(seconds)));
  output.object({{"type", "summary"},
                 {"copied", copied},
                 {"existed", report.points.size() - copied},
                 {"bytes_read", report.read_bytes},
                 {"bytes_stored", report.stored_bytes},
                 {"dry_run", false},
                 {"seconds", seconds}});
}

Result<Exit> run(Context& context, const Arguments& arguments) {
  Clock& clock = context.services().clock();
  const auto begun = clock.monotonic();
  Output& output = context.output();
  vault::Vault& to = *TRY(context.open_vault());
  vault::Vault& from = *TRY(context.open_other_vault(*arguments.get("from-vault")));
  if (from.keyring().vault_id() == to.keyring().vault_id()) {
    return Error(ErrorCode::invalid, "copy: both are the same vault");
  }
  const std::vector<vault::PointInfo> points = TRY(chosen_points(from, arguments));
  if (arguments.has("dry-run")) {
    for (const vault::PointInfo& point : points) tell_point(output, point, nullptr, false);
    output.text(fmt::format("{} points; nothing was written", points.size()));
    output.object({{"type", "summary"}, {"copied", 0}, {"points", points.size()}, {"dry_run", true}});
    return Exit::done;
  }
  job::CopyRequest request;
  request.worker_count = static_cast<unsigned>(TRY(arguments.number("workers")).value_or(0));
  request.stop = context.stop();
  ProgressDisplay display(output, clock, "copying");
  const auto report = job::run_copy(from, points, to, request, display);
  display.stop();
  TRY_DO(report);
  tell_report(output, *report, points, std::chrono::duration<double>(clock.monotonic() - begun).count());
  return Exit::done;
}

}  // namespace

Command copy_command() {
  return {.name = "copy",
          .positionals = "[POINT...]",
          .summary = "Copy recovery points from another vault into this one",
          .description = "All points unless some are named or filtered. What this vault holds already is not stored "
                         "again, and points that were copied before are left; so it may be run again at any time.",
          .options = options,
          .positionals_min = 0,
          .positionals_max = 100'000,
          .check = check,
          .run = run};
}

}  // namespace holdfast::cli
