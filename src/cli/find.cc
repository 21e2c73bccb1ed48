// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <boost/json.hpp>

#include "cli/bucket_text.h"
#include "cli/commands.h"
#include "cli/context.h"
#include "cli/display_text.h"
#include "cli/entry_text.h"
#include "cli/point_text.h"

namespace holdfast::cli {

namespace {

constexpr Option options[] = {
    {"point", 0, "POINT[:PATH]", "Search only this point, or this path in it"},
    {"ignore-case", 'i', "", "Take capital and small letters for the same"},
    {"long", 'l', "", "Show mode, owner, size and time too"},
    {"host", 'H', "HOST", "Only points of this host"},
    {"path", 0, "PATH", "Only points with this root", true},
    {"tag", 0, "TAG", "Only points with this tag", true},
};

struct Search {
  vault::PointInfo point;
  std::string beneath = "/";
};

Result<std::vector<Search>> searches(vault::Vault& vault, const Arguments& arguments) {
  std::vector<Search> all;
  const job::PointFilter filter = filter_of(arguments);
  if (const auto text = arguments.get("point")) {
    const job::PointSpec spec = TRY(job::parse_point_spec(*text));
    all.push_back({TRY(find_point(vault, spec.name, filter)), spec.path.value_or("/")});
    return all;
  }
  for (vault::PointInfo& point : TRY(vault.points())) {
    if (job::matches(filter, point)) all.push_back({std::move(point)});
  }
  return all;
}

Result<Exit> run(Context& context, const Arguments& arguments) {
  const std::string& pattern = arguments.positionals().front();
  vault::Vault& vault = *TRY(context.open_vault());
  Output& output = context.output();
  uint64_t found_count = 0;
  const std::vector<Search> wanted = TRY(searches(vault, arguments));
  for (const Search& search : wanted) {
    if (job::is_bucket(search.point)) {
      found_count += TRY(find_objects(context, arguments, vault, search.point, pattern));
      continue;
    }
    const auto walk = TRY(job::PointWalk::open(vault, search.point));
    const bool ignore_case = arguments.has("ignore-case");
    TRY_DO(walk->find(search.beneath, pattern, ignore_case, [&](const job::PathEntry& entry) -> Status {
      ++found_count;
      if (output.json()) {
        boost::json::object object{{"recovery_point_id", to_hex(search.point.id)},
                                   {"time", rfc3339(search.point.point.begun)}};
        const boost::json::object about = entry_object(entry);
        object.insert(about.begin(), about.end());
        output.list_object(object);
      } else {
        output.list_line(short_name(search.point.id) + "  " +
                         (arguments.has("long") ? long_line(entry) : display_path(entry.path)));
      }
      if (context.stop().stop_requested()) return Error(ErrorCode::cancelled, "interrupted");
      return output.check();
    }));
  }
  if (found_count > 0) return Exit::done;
  return Error(ErrorCode::not_found, fmt::format("nothing matches '{}' in {} recovery points", pattern, wanted.size()))
      .with_hint("A pattern fits a whole name ('*.conf'), or a whole path if it holds a slash ('/etc/*.conf').");
}

}  // namespace

Command find_command() {
  return {.name = "find",
          .positionals = "PATTERN",
          .summary = "Search recovery points for names",
          .description =
              "PATTERN is a glob that fits a whole name, or a whole path if it holds a slash. All points are searched, "
              "oldest first, unless options say otherwise; each line begins with the point's id.",
          .options = options,
          .positionals_min = 1,
          .positionals_max = 1,
          .run = run};
}

}  // namespace holdfast::cli
