// SPDX-License-Identifier: Apache-2.0
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
    {"long", 'l', "", "Show mode, owner, size and time too"},
    {"recursive", 'R', "", "Show everything beneath PATH, not only what lies directly in it"},
    {"versions", 0, "", "Of a bucket: show what was replaced or deleted too"},
    {"at", 0, "TIME", "Of a bucket: as it was at that moment, like 2026-11-22T21:25:00Z"},
    {"host", 'H', "HOST", "'latest' among points of this host"},
    {"path", 0, "PATH", "'latest' among points with all these roots", true},
    {"tag", 0, "TAG", "'latest' among points with all these tags", true},
};

Result<Exit> run(Context& context, const Arguments& arguments) {
  const OpenedPoint opened =
      TRY(open_point(context, arguments.positionals().front(), filter_of(arguments)));
  if (job::is_bucket(opened.walk->point())) {
    return list_bucket(context, arguments, *TRY(context.open_vault()), opened.walk->point(), opened.path);
  }
  Output& output = context.output();
  const bool is_long = arguments.has("long");
  const bool is_whole = !opened.path || arguments.has("recursive");
  const Status listed = opened.walk->list(
      opened.path.value_or("/"), is_whole ? job::Depth::all : job::Depth::children,
      [&](const job::PathEntry& entry) -> Status {
        if (output.json()) {
          output.list_object(entry_object(entry));
        } else {
          output.list_line(is_long ? long_line(entry) : display_path(entry.path));
        }
        if (context.stop().stop_requested()) return Error(ErrorCode::cancelled, "interrupted");
        return output.check();
      });
  if (!listed) return with_path_hint(listed.error(), opened.walk->point());
  return Exit::done;
}

}  // namespace

Command ls_command() {
  return {.name = "ls",
          .positionals = "POINT[:PATH]",
          .summary = "List what a recovery point holds",
          .description =
              "Everything in the point, a path a line; with POINT:PATH only what lies directly in PATH, unless "
              "--recursive is given. Names that would not show on one line are escaped; --json has their bytes.",
          .options = options,
          .positionals_min = 1,
          .positionals_max = 1,
          .run = run};
}

}  // namespace holdfast::cli
