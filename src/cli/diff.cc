// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <array>
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
    {"stat", 0, "", "Show the summary only"},
    {"host", 'H', "HOST", "'latest' among points of this host"},
    {"path", 0, "PATH", "'latest' among points with all these roots", true},
    {"tag", 0, "TAG", "'latest' among points with all these tags", true},
};

// In the order of job::DifferenceKind.
constexpr std::string_view modifiers = "+-MUT";

struct Summary {
  std::array<uint64_t, modifiers.size()> counts{};
  uint64_t added_bytes = 0;    // Of files that are new or changed, as they are now.
  uint64_t removed_bytes = 0;  // Of files that are gone or changed, as they were.
};

void count(Summary& summary, const job::PathDifference& difference) {
  ++summary.counts[static_cast<size_t>(difference.kind)];
  if (difference.kind == job::DifferenceKind::metadata_changed) return;
  if (difference.after) summary.added_bytes += difference.after->attributes.size_bytes;
  if (difference.before) summary.removed_bytes += difference.before->attributes.size_bytes;
}

void show(Output& output, const job::PathDifference& difference) {
  const char modifier = modifiers[static_cast<size_t>(difference.kind)];
  if (!output.json()) {
    output.list_line(fmt::format("{}    {}", modifier, display_path(difference.path())));
    return;
  }
  boost::json::object object{
      {"type", "change"}, {"path", difference.path()}, {"modifier", std::string(1, modifier)}};
  if (difference.before) object["before"] = valid_json(entry_object(*difference.before));
  if (difference.after) object["after"] = valid_json(entry_object(*difference.after));
  output.list_object(object);
}

void show(Output& output, const Summary& summary, const vault::PointInfo& before, const vault::PointInfo& after) {
  const auto& counts = summary.counts;
  output.text(fmt::format("{} to {}: {} added, {} removed, {} changed, {} with other metadata, {} of another type; "
                          "{} came, {} went",
                          short_name(before.id), short_name(after.id), counts[0], counts[1], counts[2], counts[3],
                          counts[4], human_bytes(summary.added_bytes), human_bytes(summary.removed_bytes)));
  output.object({{"type", "summary"},
                 {"before", to_hex(before.id)},
                 {"after", to_hex(after.id)},
                 {"added", counts[0]},
                 {"removed", counts[1]},
                 {"changed", counts[2]},
                 {"metadata_changed", counts[3]},
                 {"type_changed", counts[4]},
                 {"bytes_added", summary.added_bytes},
                 {"bytes_removed", summary.removed_bytes}});
}

// An error if neither point has the path: most likely it is mistyped.
Status check_path(vault::Vault& vault, const vault::PointInfo& before, const vault::PointInfo& after,
                  const std::string& path) {
  for (const vault::PointInfo* point : {&before, &after}) {
    const auto walk = TRY(job::PointWalk::open(vault, *point));
    const auto entry = TRY(walk->look_up(path));
    if (entry) return {};
  }
  return with_path_hint(Error(ErrorCode::not_found, path + ": in neither of the two recovery points"), after);
}

// The path to compare: behind the points or in both of them. None: everything.
Result<std::optional<std::string>> path_of(const std::vector<std::string>& words, const job::PointSpec& before,
                                           const job::PointSpec& after) {
  if (!before.path && !after.path) return words.size() > 2 ? std::optional(words[2]) : std::nullopt;
  if (words.size() > 2 || before.path != after.path) {
    return Error(ErrorCode::invalid, "the same path is compared in both points")
        .with_hint("Give it once, behind the points: 'holdfast diff POINT POINT PATH'.");
  }
  return before.path;
}

Result<Exit> run(Context& context, const Arguments& arguments) {
  const auto& words = arguments.positionals();
  const job::PointSpec before_spec = TRY(job::parse_point_spec(words[0]));
  const job::PointSpec after_spec = TRY(job::parse_point_spec(words[1]));
  const std::optional<std::string> chosen = TRY(path_of(words, before_spec, after_spec));
  vault::Vault& vault = *TRY(context.open_vault());
  const job::PointFilter filter = filter_of(arguments);
  const vault::PointInfo before = TRY(find_point(vault, before_spec.name, filter));
  const vault::PointInfo after = TRY(find_point(vault, after_spec.name, filter));
  if (job::is_bucket(before) || job::is_bucket(after)) {
    if (chosen) {
      return Error(ErrorCode::unsupported, "a bucket's points are compared whole").with_hint("Leave out the path.");
    }
    return diff_buckets(context, arguments, vault, before, after);
  }
  const std::string path = chosen.value_or("/");
  if (chosen) TRY_DO(check_path(vault, before, after, path));
  Output& output = context.output();
  const bool lists = !arguments.has("stat");
  Summary summary;
  TRY_DO(job::diff_points(vault, before, after, path, [&](const job::PathDifference& difference) -> Status {
    count(summary, difference);
    if (lists) show(output, difference);
    if (context.stop().stop_requested()) return Error(ErrorCode::cancelled, "interrupted");
    return output.check();
  }));
  show(output, summary, before, after);
  return Exit::done;
}

}  // namespace

Command diff_command() {
  return {.name = "diff",
          .positionals = "POINT[:PATH] POINT[:PATH] [PATH]",
          .summary = "Show what differs between two recovery points",
          .description =
              "A line for each path at or beneath PATH: + added, - removed, M changed content, U changed metadata "
              "only, "
              "T another type. What is equal in both is never read, so the time is that of the changes.",
          .options = options,
          .positionals_min = 2,
          .positionals_max = 3,
          .run = run};
}

}  // namespace holdfast::cli
