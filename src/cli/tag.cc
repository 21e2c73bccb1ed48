// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <boost/json.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <set>

#include "cli/commands.h"
#include "cli/context.h"
#include "cli/display_text.h"
#include "cli/point_text.h"
#include "job/forget.h"

namespace holdfast::cli {

namespace {

constexpr Option options[] = {
    {"add", 0, "TAG", "Add a tag", true},
    {"remove", 0, "TAG", "Take a tag away", true},
    {"set", 0, "TAG", "Replace all tags by these; an empty one stands for none", true},
    {"host", 'H', "HOST", "'latest' among points of this host"},
    {"path", 0, "PATH", "'latest' among points with all these roots", true},
    {"tag", 0, "TAG", "'latest' among points with all these tags", true},
};

Status check(const Arguments& arguments) {
  const bool changes = arguments.has("add") || arguments.has("remove");
  if (arguments.has("set") == changes) {
    return Error(ErrorCode::invalid, changes ? "--set goes without --add and --remove" : "no tag to change")
        .with_hint("Give --add and --remove, or --set.");
  }
  return {};
}

std::set<std::string> new_tags(const Arguments& arguments, const std::vector<std::string>& before) {
  std::set<std::string> tags(before.begin(), before.end());
  if (arguments.has("set")) tags.clear();
  for (const std::string& tag : arguments.list("set")) tags.insert(tag);
  for (const std::string& tag : arguments.list("add")) tags.insert(tag);
  for (const std::string& tag : arguments.list("remove")) tags.erase(tag);
  for (const std::string& tag : arguments.all("remove")) tags.erase(tag);  // Its commas may be its own.
  return tags;
}

Result<Exit> run(Context& context, const Arguments& arguments) {
  vault::Vault& vault = *TRY(context.open_vault());
  std::vector<vault::PointInfo> points;  // All are found before the first is changed.
  for (const std::string& name : arguments.positionals()) {
    points.push_back(TRY(find_point(vault, name, filter_of(arguments))));
  }
  for (vault::PointInfo& point : points) {
    const std::set<std::string> wanted = new_tags(arguments, point.point.tags);
    std::vector<std::string> tags(wanted.begin(), wanted.end());
    if (tags != point.point.tags) TRY_DO(job::annotate_point(vault, point.id, tags));
    point.point.tags = std::move(tags);
    const auto& now = point.point.tags;
    const std::string shown = now.empty() ? "no tags" : fmt::format("{}", fmt::join(now, ", "));
    context.output().text(fmt::format("point {}: {}", short_name(point.id), display_path(shown)));
    context.output().object(point_object(point));
  }
  return Exit::done;
}

}  // namespace

Command tag_command() {
  return {.name = "tag",
          .positionals = "POINT...",
          .summary = "Change the tags of recovery points",
          .description = "A point keeps its id whatever its tags. Several tags in one option are parted by commas.",
          .options = options,
          .positionals_min = 1,
          .positionals_max = 100'000,
          .check = check,
          .run = run};
}

}  // namespace holdfast::cli
