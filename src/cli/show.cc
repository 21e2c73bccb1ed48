// SPDX-License-Identifier: Apache-2.0
#include <boost/json.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "cli/commands.h"
#include "cli/context.h"
#include "cli/display_text.h"
#include "cli/point_text.h"
#include "format/file_attributes.h"
#include "job/bucket_choice.h"
#include "job/skipped.h"

namespace holdfast::cli {

namespace {

constexpr Option options[] = {
    {"host", 'H', "HOST", "'latest' among points of this host"},
    {"path", 0, "PATH", "'latest' among points with all these roots", true},
    {"tag", 0, "TAG", "'latest' among points with all these tags", true},
};

// Calls `visit` with the path and the reason of all that could not be read.
Status for_skipped(vault::Vault& vault, const vault::PointInfo& point,
                   const std::function<void(const std::string& path, std::string_view reason)>& visit) {
  if (point.point.skipped_count == 0) return {};
  return job::for_skipped(vault, point, [&](ByteView key, std::string_view reason) -> Status {
    if (job::is_bucket(point)) {
      visit(format::readable_key(format::EntryKind::bucket, key), reason);
      return {};
    }
    const auto path = format::key_to_path(key);
    visit(path ? *path : "key " + to_hex(key), reason);
    return {};
  });
}

void print_text(const vault::PointInfo& point, Output& output) {
  const format::RecoveryPoint& about = point.point;
  const auto row = [&](std::string_view name, const std::string& value) {
    if (!value.empty()) output.text(fmt::format("{:<13}{}", name, display_path(value)));
  };
  row("point", to_hex(point.id));
  row("time", local_time_text(about.begun));
  row("took", human_duration(static_cast<double>(about.ended - about.begun) / 1e9));
  row("host", about.host);
  row("user", about.user);
  row("kind", about.kind);
  for (const std::string& root : about.roots) row(&root == about.roots.data() ? "paths" : "", root);
  row("tags", fmt::format("{}", fmt::join(about.tags, ", ")));
  row("description", about.description);
  row("parent", about.parent.is_none() ? "none" : to_hex(about.parent));
  row("size", fmt::format("{} in {} entries", human_bytes(about.size_bytes), about.entry_count));
  row("read", human_bytes(about.read_bytes));
  row("stored", human_bytes(about.stored_bytes));
  row("new", std::to_string(about.new_count));
  row("changed", std::to_string(about.changed_count));
  row("unchanged", std::to_string(about.unchanged_count));
  row("removed", std::to_string(about.removed_count));
  row("skipped", std::to_string(about.skipped_count));
  row("program", about.program_version);
  row("domain", std::to_string(point.domain));
  row("author", vault::to_hex(point.author));
  row("log record", std::to_string(point.number));
}

Result<Exit> run(Context& context, const Arguments& arguments) {
  vault::Vault& vault = *TRY(context.open_vault());
  const vault::PointInfo point = TRY(find_point(vault, arguments.positionals().front(), filter_of(arguments)));
  Output& output = context.output();
  if (!output.json()) print_text(point, output);
  output.object(point_object(point));
  TRY_DO(for_skipped(vault, point, [&](const std::string& path, std::string_view reason) {
    output.text(fmt::format("skipped {}: {}", display_path(path), display_message(reason)));
    output.object({{"type", "skip"}, {"path", path}, {"message", reason}});
  }));
  return Exit::done;
}

}  // namespace

Command show_command() {
  return {.name = "show",
          .positionals = "POINT",
          .summary = "Show all that is known of a recovery point",
          .description = "And what could not be read when it was made.",
          .options = options,
          .positionals_min = 1,
          .positionals_max = 1,
          .run = run};
}

}  // namespace holdfast::cli
