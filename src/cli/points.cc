// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <boost/json.hpp>

#include "cli/commands.h"
#include "cli/context.h"
#include "cli/display_text.h"
#include "cli/point_text.h"

namespace holdfast::cli {

namespace {

constexpr Option options[] = {
    {"host", 'H', "HOST", "Only points of this host"},
    {"path", 0, "PATH", "Only points with this root", true},
    {"tag", 0, "TAG", "Only points with this tag", true},
    {"latest", 0, "N", "Only the newest N"},
};

Result<Exit> run(Context& context, const Arguments& arguments) {
  vault::Vault& vault = *TRY(context.open_vault());
  std::vector<vault::PointInfo> points = TRY(vault.points());
  const job::PointFilter filter = filter_of(arguments);
  std::erase_if(points, [&](const vault::PointInfo& point) { return !job::matches(filter, point); });
  if (const auto count = TRY(arguments.number("latest")); count && points.size() > *count) {
    points.erase(points.begin(), points.end() - static_cast<std::ptrdiff_t>(*count));
  }
  Output& output = context.output();
  std::vector<std::vector<std::string>> rows;
  for (const vault::PointInfo& point : points) {
    output.object(point_object(point));
    rows.push_back({short_name(point.id), local_time_text(point.point.begun), point.point.host,
                    fmt::format("{}", fmt::join(point.point.tags, ",")), std::to_string(point.point.entry_count),
                    point.point.skipped_count > 0 ? std::to_string(point.point.skipped_count) : "",
                    human_bytes(point.point.size_bytes), human_bytes(point.point.stored_bytes),
                    display_path(fmt::format("{}", fmt::join(point.point.roots, " ")))});
  }
  output.text(format_table({"ID", "TIME", "HOST", "TAGS", ">ENTRIES", ">SKIPPED", ">SIZE", ">ADDED", "PATHS"}, rows));
  output.text(fmt::format("{} points", points.size()));
  return Exit::done;
}

}  // namespace

Command points_command() {
  return {.name = "points",
          .positionals = "",
          .summary = "List recovery points",
          .description = "Oldest first. A point with skips is whole but for what could not be read when it was made; "
                         "'holdfast show POINT' names it.",
          .options = options,
          .positionals_min = 0,
          .positionals_max = 0,
          .run = run};
}

}  // namespace holdfast::cli
