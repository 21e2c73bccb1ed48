// SPDX-License-Identifier: Apache-2.0
#include "job/undelete.h"

#include <boost/json.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "cli/commands.h"
#include "cli/context.h"
#include "cli/display_text.h"
#include "cli/point_text.h"

namespace holdfast::cli {

namespace {

constexpr Option options[] = {
    {"list", 'l', "", "Show what can be had back, and change nothing"},
};

Status check(const Arguments& arguments) {
  if (arguments.has("list") == arguments.positionals().empty()) return {};
  return Error(ErrorCode::invalid, "either --list or points")
      .with_hint("'holdfast undelete --list' shows their names.");
}

void tell_forgotten(Output& output, const std::vector<vault::ForgottenPoint>& points) {
  std::vector<std::vector<std::string>> rows;
  for (const vault::ForgottenPoint& point : points) {
    output.object(point_object(point.info));
    rows.push_back({short_name(point.info.id), local_time_text(point.info.point.begun), point.info.point.host,
                    human_bytes(point.info.point.size_bytes),
                    display_path(fmt::format("{}", fmt::join(point.info.point.roots, " ")))});
  }
  output.text(format_table({"ID", "TIME", "HOST", ">SIZE", "PATHS"}, rows));
  output.text(fmt::format("{} forgotten points can be had back", points.size()));
}

Result<Exit> run(Context& context, const Arguments& arguments) {
  vault::Vault& vault = *TRY(context.open_vault());
  const std::vector<vault::ForgottenPoint> forgotten = TRY(job::forgotten_points(vault));
  Output& output = context.output();
  if (arguments.has("list")) {
    tell_forgotten(output, forgotten);
    return Exit::done;
  }
  std::vector<vault::PointInfo> infos;
  for (const vault::ForgottenPoint& point : forgotten) infos.push_back(point.info);
  std::vector<ObjectId> wanted;
  for (const std::string& name : arguments.positionals()) {
    wanted.push_back(TRY(job::resolve_point(infos, name, {})).id);
  }
  ProgressDisplay display(output, context.services().clock(), "looking up");
  const Status undeleted = job::undelete_points(vault, wanted, display, context.stop());
  display.stop();
  TRY_DO(undeleted);
  for (const ObjectId& id : wanted) output.object({{"type", "undeleted"}, {"id", to_hex(id)}});
  output.text(fmt::format("{} points are back", wanted.size()));
  return Exit::done;
}

}  // namespace

Command undelete_command() {
  return {.name = "undelete",
          .positionals = "[POINT...]",
          .summary = "Bring forgotten recovery points back",
          .description = "As long as nothing of a point was removed by 'holdfast collect'; all that it leans on is "
                         "looked up first.",
          .options = options,
          .positionals_min = 0,
          .positionals_max = 100'000,
          .check = check,
          .run = run};
}

}  // namespace holdfast::cli
