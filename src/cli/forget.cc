// SPDX-License-Identifier: Apache-2.0
#include "job/forget.h"

#include <boost/json.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "cli/collect_run.h"
#include "cli/commands.h"
#include "cli/context.h"
#include "cli/display_text.h"
#include "cli/point_text.h"
#include "cli/retention_options.h"
#include "os/local_time.h"

namespace holdfast::cli {

namespace {

constexpr Option options[] = {
    {"keep-last", 'l', "N", "Keep the newest N points"},
    {"keep-hourly", 0, "N", "Keep the newest point of each of the newest N hours that have any"},
    {"keep-daily", 'd', "N", "The same by days"},
    {"keep-weekly", 'w', "N", "The same by weeks"},
    {"keep-monthly", 'm', "N", "The same by months"},
    {"keep-yearly", 'y', "N", "The same by years"},
    {"keep-within", 0, "SPAN", "Keep all points within so long before the newest: 1y5m7d2h"},
    {"keep-within-hourly", 0, "SPAN", "Keep the newest of each hour within so long"},
    {"keep-within-daily", 0, "SPAN", "The same by days"},
    {"keep-within-weekly", 0, "SPAN", "The same by weeks"},
    {"keep-within-monthly", 0, "SPAN", "The same by months"},
    {"keep-within-yearly", 0, "SPAN", "The same by years"},
    {"keep-tag", 0, "TAG[,TAG]", "Keep points that bear all these tags", true},
    {"host", 'H', "HOST", "Only points of this host"},
    {"path", 0, "PATH", "Only points with this root", true},
    {"tag", 0, "TAG", "Only points with this tag", true},
    {"group-by", 'g', "WHAT", "The rules hold for each host,paths (the default); tags too; '' for all as one"},
    {"dry-run", 'n', "", "Show what would be forgotten and change nothing"},
    {"collect", 0, "", "Then free the room, as 'holdfast collect' does"},
    {"keep-deleted", 0, "SPAN", "With --collect: remove only what was condemned so long ago (14d); 0: at once"},
};

struct Verdict {
  vault::PointInfo point;
  job::RetentionDecision decision;
};

Status check(const Arguments& arguments) {
  const job::RetentionPolicy policy = TRY(retention_policy_of(arguments));
  TRY_DO(grouping_of(arguments));
  TRY_DO(arguments.duration("keep-deleted"));
  if (!arguments.positionals().empty() && !policy.is_empty()) {
    return Error(ErrorCode::invalid, "either points or rules").with_hint("Name points, or give --keep options.");
  }
  if (arguments.positionals().empty() && policy.is_empty()) {
    return Error(ErrorCode::invalid, "nothing says what to forget")
        .with_hint("Name points, or say what to keep, as by --keep-daily 7 --keep-monthly 12.");
  }
  return {};
}

int64_t utc_offset_seconds(UnixTimeNs time) {
  return os::local_time(time / 1'000'000'000).tm_gmtoff;
}

std::string title_of(const job::PointGroup& group) {
  std::vector<std::string> parts;
  if (!group.host.empty()) parts.push_back("host " + group.host);
  if (!group.paths.empty()) parts.push_back(fmt::format("paths {}", fmt::join(group.paths, " ")));
  if (!group.tags.empty()) parts.push_back(fmt::format("tags {}", fmt::join(group.tags, ",")));
  return display_path(parts.empty() ? "all points" : fmt::format("{}", fmt::join(parts, ", ")));
}

void tell(Output& output, const std::string& title, const std::vector<Verdict>& verdicts) {
  std::vector<std::vector<std::string>> rows;
  for (const auto& [point, decision] : verdicts) {
    const std::string reasons = fmt::format("{}", fmt::join(decision.reasons, ", "));
    rows.push_back({decision.keep ? "keep" : "forget", short_name(point.id), local_time_text(point.point.begun),
                    fmt::format("{}", fmt::join(point.point.tags, ",")), reasons});
    output.object({{"type", decision.keep ? "keep" : "forget"},
                   {"id", to_hex(point.id)},
                   {"time", rfc3339(point.point.begun)},
                   {"host", point.point.host},
                   {"paths", boost::json::array(point.point.roots.begin(), point.point.roots.end())},
                   {"tags", boost::json::array(point.point.tags.begin(), point.point.tags.end())},
                   {"reasons", boost::json::array(decision.reasons.begin(), decision.reasons.end())}});
  }
  output.text(title + ":");
  output.text(format_table({"", "ID", "TIME", "TAGS", "WHY"}, rows));
  output.text("");
}

Result<std::vector<Verdict>> judge_named(vault::Vault& vault, const Arguments& arguments, Output& output) {
  std::vector<Verdict> verdicts;
  for (const std::string& name : arguments.positionals()) {
    verdicts.push_back({TRY(find_point(vault, name, filter_of(arguments))), {.keep = false, .reasons = {"named"}}});
  }
  tell(output, "named points", verdicts);
  return verdicts;
}

Result<std::vector<Verdict>> judge_by_rules(Context& context, vault::Vault& vault, const Arguments& arguments) {
  const job::RetentionPolicy policy = TRY(retention_policy_of(arguments));
  const job::Grouping grouping = TRY(grouping_of(arguments));
  const job::PointFilter filter = filter_of(arguments);
  std::vector<vault::PointInfo> points = TRY(vault.points());
  std::erase_if(points, [&](const vault::PointInfo& point) { return !job::matches(filter, point); });
  std::vector<std::pair<std::string, std::vector<Verdict>>> groups;
  for (const job::PointGroup& group : job::group_points(points, grouping)) {
    std::vector<job::RetentionItem> items;
    for (const vault::PointInfo& point : group.points) {
      const vault::Author* author = vault.keyring().author(point.author);
      const vault::Role role = author == nullptr ? vault::Role::agent : author->role;
      items.push_back({job::retention_time(point, role, context.services().clock().now()), point.point.tags});
    }
    auto decisions = job::apply_retention(items, policy, utc_offset_seconds);
    std::vector<Verdict> verdicts;
    for (size_t at = 0; at < items.size(); ++at) verdicts.push_back({group.points[at], std::move(decisions[at])});
    if (std::none_of(verdicts.begin(), verdicts.end(), [](const Verdict& one) { return one.decision.keep; })) {
      return Error(ErrorCode::invalid, "the rules keep no point of " + title_of(group) + "; nothing was forgotten")
          .with_hint("Check the rules, as for a mistyped tag; points that are to go all the same go by name.");
    }
    groups.emplace_back(title_of(group), std::move(verdicts));
  }
  // Nothing is told of any before all are found to keep something.
  std::vector<Verdict> all;
  for (auto& [title, verdicts] : groups) {
    tell(context.output(), title, verdicts);
    std::move(verdicts.begin(), verdicts.end(), std::back_inserter(all));
  }
  return all;
}

Result<Exit> run(Context& context, const Arguments& arguments) {
  const bool dry_run = arguments.has("dry-run");
  Output& output = context.output();
  vault::Vault& vault = *TRY(context.open_vault());
  const std::vector<Verdict> verdicts = TRY(arguments.positionals().empty() ? judge_by_rules(context, vault, arguments)
                                                                            : judge_named(vault, arguments, output));
  std::vector<ObjectId> doomed;
  for (const Verdict& verdict : verdicts) {
    if (!verdict.decision.keep) doomed.push_back(verdict.point.id);
  }
  if (!dry_run && !doomed.empty()) TRY_DO(job::forget_points(vault, doomed));
  output.text(fmt::format("{} {} of {} points{}", dry_run ? "would forget" : "forgot", doomed.size(), verdicts.size(),
                          doomed.empty() || dry_run ? "" : "; 'holdfast collect' frees their room"));
  output.object({{"type", "summary"},
                 {"forgotten", doomed.size()},
                 {"kept", verdicts.size() - doomed.size()},
                 {"dry_run", dry_run}});
  if (dry_run || !arguments.has("collect")) return Exit::done;
  job::CollectRequest request;
  request.keep_deleted = TRY(arguments.duration("keep-deleted")).value_or(keep_deleted_default);
  return collect(context, request);
}

}  // namespace

Command forget_command() {
  return {.name = "forget",
          .positionals = "[POINT...]",
          .summary = "Let recovery points cease to exist, by name or by rules",
          .description = "With rules, what no rule keeps is forgotten, of each host and set of paths by itself. The "
                         "bytes stay until 'holdfast collect' removes them; until then 'holdfast undelete' brings the "
                         "points back. What a lock or a hold keeps is not forgotten (exit code 21).",
          .options = options,
          .positionals_min = 0,
          .positionals_max = 100'000,
          .check = check,
          .run = run};
}

}  // namespace holdfast::cli
