// SPDX-License-Identifier: Apache-2.0
#include <boost/json.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "cli/commands.h"
#include "cli/context.h"
#include "cli/display_text.h"
#include "cli/point_text.h"
#include "job/vault_lock.h"

namespace holdfast::cli {

namespace {

constexpr Option options[] = {
    {"name", 0, "NAME", "What the hold is for: a case, a matter (default: 'hold')"},
    {"host", 'H', "HOST", "'latest' among points of this host"},
    {"path", 0, "PATH", "'latest' among points with all these roots", true},
    {"tag", 0, "TAG", "'latest' among points with all these tags", true},
};

Result<Exit> change(Context& context, const Arguments& arguments, bool lift) {
  vault::Vault& vault = *TRY(context.open_vault());
  const std::string name = arguments.get("name").value_or("hold");
  std::vector<ObjectId> points;
  for (const std::string& text : arguments.positionals()) {
    points.push_back(TRY(find_point(vault, text, filter_of(arguments))).id);
  }
  TRY_DO(job::hold_points(vault, name, points, lift));
  for (const ObjectId& id : points) {
    context.output().object({{"type", lift ? "released" : "held"}, {"id", to_hex(id)}, {"name", name}});
    context.output().text(fmt::format("point {}: hold '{}' {}", short_name(id), name, lift ? "lifted" : "set"));
  }
  return Exit::done;
}

Result<Exit> run_add(Context& context, const Arguments& arguments) { return change(context, arguments, false); }
Result<Exit> run_remove(Context& context, const Arguments& arguments) { return change(context, arguments, true); }

Result<Exit> run_list(Context& context, const Arguments&) {
  vault::Vault& vault = *TRY(context.open_vault());
  Output& output = context.output();
  std::vector<std::vector<std::string>> rows;
  for (const vault::PointInfo& point : TRY(vault.points())) {
    if (point.holds.empty()) continue;
    output.object({{"type", "held"},
                   {"id", to_hex(point.id)},
                   {"names", boost::json::array(point.holds.begin(), point.holds.end())}});
    rows.push_back({short_name(point.id), local_time_text(point.point.begun), point.point.host,
                    display_path(fmt::format("{}", fmt::join(point.holds, ", ")))});
  }
  output.text(format_table({"ID", "TIME", "HOST", "HOLDS"}, rows));
  output.text(fmt::format("{} points are held", rows.size()));
  return Exit::done;
}

Command of_points(const char* name, const char* summary, const char* description, decltype(Command::run) run) {
  return {.name = name,
          .positionals = "POINT...",
          .summary = summary,
          .description = description,
          .options = options,
          .positionals_min = 1,
          .positionals_max = 100'000,
          .run = run};
}

}  // namespace

Command hold_add_command() {
  return of_points("hold add", "Keep recovery points from being forgotten until the hold is lifted",
                   "Holds bind whatever a policy or a lock would allow. A point may bear several.", run_add);
}

Command hold_remove_command() { return of_points("hold remove", "Lift a hold", "", run_remove); }

Command hold_list_command() {
  return {.name = "hold list",
          .positionals = "",
          .summary = "List recovery points that are held",
          .description = "",
          .options = {},
          .positionals_min = 0,
          .positionals_max = 0,
          .run = run_list};
}

}  // namespace holdfast::cli
