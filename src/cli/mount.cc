// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

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
    {"allow-other", 0, "", "Let other users in too, as far as the files' modes let them"},
    {"foreground", 'f', "", "Stay until unmounted (what is done anyway)"},
};

Result<Exit> run(Context& context, const Arguments& arguments) {
  vault::Vault& vault = *TRY(context.open_vault());
  PointsMount request;
  request.directory = arguments.positionals().front();
  request.points = TRY(vault.points());
  const job::PointFilter filter = filter_of(arguments);
  std::erase_if(request.points, [&](const vault::PointInfo& point) { return !job::matches(filter, point); });
  const auto latest = find_among(vault, request.points, "latest", filter);
  if (latest) {
    request.latest = latest->id;
  } else if (!request.points.empty()) {
    context.output().warn("there is no link 'latest': " + latest.error().message());
  }
  request.allow_other = arguments.has("allow-other");
  request.stop = context.stop();
  const size_t point_count = request.points.size();
  Output& output = context.output();
  request.mounted = [&] {
    output.text(fmt::format("{} points are at {} until Ctrl-C or 'fusermount3 -u'", point_count,
                            display_path(request.directory)));
    output.object({{"type", "mounted"}, {"path", request.directory}, {"points", point_count}});
  };
  TRY_DO(context.services().mount_points(vault, request));
  return Exit::done;
}

}  // namespace

Command mount_command() {
  return {.name = "mount",
          .positionals = "DIR",
          .summary = "Show recovery points as a read-only file system",
          .description =
              "Every point is a folder in DIR, named by its local time and the beginning of its id, and holds full "
              "paths; DIR/latest leads to the newest, where that is known, DIR/by-host and DIR/by-tag to those of a "
              "host or tag. Of a bucket the current objects are shown, those apart that can be no files. Points made "
              "later are not shown. Bytes are read and checked as they are asked for. Ends when DIR is unmounted or at "
              "Ctrl-C.",
          .options = options,
          .positionals_min = 1,
          .positionals_max = 1,
          .run = run};
}

}  // namespace holdfast::cli
