// SPDX-License-Identifier: Apache-2.0
#include "job/restore.h"

#include <fmt/format.h>

#include <boost/json.hpp>

#include "cli/commands.h"
#include "cli/context.h"
#include "cli/entry_text.h"
#include "cli/moment.h"
#include "cli/point_text.h"
#include "cli/restore_bucket.h"
#include "cli/thaw_run.h"
#include "job/bucket_choice.h"
#include "job/skipped.h"

namespace holdfast::cli {

namespace {

constexpr Option options[] = {
    {"to", 't', "PLACE", "Restore beneath this folder; a bucket's point also into s3://BUCKET/PREFIX"},
    {"at", 0, "TIME", "Of a bucket: as it was at that moment, like 2026-11-22T21:25:00Z"},
    {"version-id", 0, "ID", "Of a bucket: this version of a key alone"},
    {"current-only", 0, "", "Of a bucket: only what is neither replaced nor deleted"},
    {"from-export", 0, "FILE", "Restore from what 'export --archive' wrote; a path alone then means 'latest:PATH'"},
    {"host", 'H', "HOST", "'latest' among points of this host"},
    {"path", 0, "PATH", "'latest' among points with all these roots", true},
    {"tag", 0, "TAG", "'latest' among points with all these tags", true},
    {"include", 'i', "PATTERN", "Restore only what matches, in gitignore's syntax", true},
    {"exclude", 'e', "PATTERN", "Leave out what matches", true},
    {"overwrite", 0, "MODE", "if-changed, always, if-newer or never"},
    {"delete", 0, "", "Remove what is in restored folders but not in the point"},
    {"dry-run", 'n', "", "Show what would be done and change nothing"},
    {"owner", 0, "HOW", "name, number or none"},
    {"allow", 0, "WHAT", "Restore setuid, devices, sockets, fifos, acls, xattrs, system-xattrs or flags", true},
    {"deny", 0, "WHAT", "Leave these off", true},
    {"no-sync", 0, "", "Return before all is on disk: a power cut may then take back what was restored"},
    {"workers", 0, "N", "Threads that fetch and write (one a processor)"},
};

// An entry is wanted if an include names it or something above it, and no exclude does.
Result<std::function<bool(ByteView)>> make_filter(Context& context, const Arguments& arguments) {
  const auto includes = arguments.all("include"), excludes = arguments.all("exclude");
  if (includes.empty() && excludes.empty()) return std::function<bool(ByteView)>();
  auto included = TRY(context.services().make_matcher(includes));
  auto excluded = TRY(context.services().make_matcher(excludes));
  const bool only_some = !includes.empty();
  return std::function<bool(ByteView)>([=](ByteView key) {
    if (excluded(key, true)) return false;
    return !only_some || included(key, true);
  });
}

// What --delete may remove: neither what was filtered out nor what the backup could not read.
Result<std::function<bool(ByteView)>> make_deletion_filter(vault::Vault& vault, const vault::PointInfo& point,
                                                           std::function<bool(ByteView)> wanted) {
  auto guard = TRY(job::path_deletion_guard(vault, point));
  if (!wanted) return guard;
  return std::function<bool(ByteView)>(
      [guard = std::move(guard), wanted = std::move(wanted)](ByteView key) { return wanted(key) && guard(key); });
}

Result<TargetRequest> target_request(const Arguments& arguments, const Bytes& beneath,
                                     std::function<bool(ByteView)> may_delete) {
  TargetRequest request;
  request.directory = *arguments.get("to");
  if (!beneath.empty()) request.strip_prefix = beneath;
  request.overwrite = arguments.get("overwrite").value_or("");
  request.delete_extra = arguments.has("delete");
  request.may_delete = std::move(may_delete);
  request.dry_run = arguments.has("dry-run");
  request.sync = !arguments.has("no-sync");
  request.owner = arguments.get("owner").value_or("");
  request.allow = arguments.all("allow");
  request.deny = arguments.all("deny");
  return request;
}

// A bucket's point restored into a folder.
Result<job::EntryRange::AsFiles> objects_as_files(const Arguments& arguments) {
  if (arguments.has("version-id")) {
    return Error(ErrorCode::invalid, "--version-id: a folder holds no versions")
        .with_hint("'holdfast cat POINT:KEY --version-id ID' writes one to standard output.");
  }
  if (arguments.has("delete")) {
    return Error(ErrorCode::invalid, "--delete means nothing for a bucket's objects in a folder")
        .with_hint("Restore into an empty folder.");
  }
  job::EntryRange::AsFiles files;
  if (const auto moment = arguments.get("at")) files.at = TRY(parse_moment(*moment).during("--at"));
  return files;
}

Status check(const Arguments& arguments) {
  if (arguments.has("to")) return {};
  return Error(ErrorCode::invalid, "no place to restore to").with_hint("Give --to DIR; --to / restores in place.");
}

struct Run {
  bool dry_run = false;
  bool deletes = false;
  uint64_t removed_count = 0;
  double seconds = 0;
};

void show(Output& output, const vault::PointInfo& point, const job::RestoreReport& report, const Run& run) {
  const std::string removed = run.deletes ? fmt::format(", {} removed", run.removed_count) : "";
  output.text(fmt::format("{} point {}: {} entries, {} there already, {} written{} in {}, {} problems",
                          run.dry_run ? "would restore" : "restored", short_name(point.id), report.entry_count,
                          report.kept_count, human_bytes(report.written_bytes), removed, human_duration(run.seconds),
                          report.problems.size()));
  if (run.dry_run && output.verbosity() == 0) output.text("nothing was changed; --verbose names each entry");
  output.object({{"type", "summary"},
                 {"recovery_point_id", to_hex(point.id)},
                 {"entries", report.entry_count},
                 {"kept", report.kept_count},
                 {"bytes_written", report.written_bytes},
                 {"removed", run.removed_count},
                 {"skipped", report.problems.size()},
                 {"damage", report.damage_found},
                 {"dry_run", run.dry_run},
                 {"seconds", run.seconds}});
}

// Only the target can have run out of room: the vault is read.
Error failed(Error error, const PointAndKey& wanted, const std::string& directory) {
  if (error.code() == ErrorCode::no_space) {
    return Error(std::move(error)).during("restore into " + directory).with_hint(
        "Make room there and run it again: it goes on where it stopped.");
  }
  if (error.code() == ErrorCode::cancelled) {
    return std::move(error).with_hint("Run it again to go on where it stopped.");
  }
  return wanted.key.empty() ? error : with_path_hint(std::move(error), wanted.point);
}

Result<Exit> run(Context& context, const Arguments& arguments) {
  Clock& clock = context.services().clock();
  const auto begun = clock.monotonic();
  vault::Vault& vault = *TRY(context.open_vault());
  std::string point = arguments.positionals().front();
  if (arguments.has("from-export") && point.starts_with('/')) point = "latest:" + point;
  const job::PointSpec spec = TRY(job::parse_point_spec(point));
  const vault::PointInfo named = TRY(find_point(vault, spec.name, filter_of(arguments)));
  const bool is_into_bucket = context.services().is_bucket_url(*arguments.get("to"));
  if (is_into_bucket && !job::is_bucket(named)) {
    return Error(ErrorCode::unsupported, "a point of files cannot be restored into a bucket")
        .with_hint("Files are restored by --to DIR.");
  }
  TRY_DO(check_content_opens(vault, named));
  if (is_into_bucket) return restore_bucket(context, arguments, vault, named, spec.path);
  PointAndKey wanted{.point = named, .key = {}};
  wanted.key = TRY(key_of(spec));
  job::RestoreRequest request;
  request.range.beneath = wanted.key;
  request.range.wanted = TRY(make_filter(context, arguments));
  if (job::is_bucket(wanted.point)) request.range.as_files = TRY(objects_as_files(arguments));
  request.worker_count = static_cast<unsigned>(TRY(arguments.number("workers")).value_or(0));
  request.dry_run = arguments.has("dry-run");
  request.goes_past_lost_nodes = !arguments.has("delete");
  request.stop = context.stop();
  TRY_DO(check_thawed(context, vault, wanted.point, request.range, request.dry_run));
  std::function<bool(ByteView)> may_delete;
  if (arguments.has("delete")) may_delete = TRY(make_deletion_filter(vault, wanted.point, request.range.wanted));
  TargetRequest place = TRY(target_request(arguments, wanted.key, std::move(may_delete)));
  ProgressDisplay display(context.output(), clock, "restoring");
  uint64_t removed_count = 0;
  place.removed = [&](ByteView key) {
    ++removed_count;
    if (display.wants_entries()) display.entry_done(std::string(as_text(key)), "removed", 0);
  };
  auto target = TRY(context.services().open_target(place));
  auto report = job::run_restore(vault, wanted.point, *target, request, display);
  display.stop();
  if (!report) return failed(std::move(report.error()), wanted, place.directory);
  const double seconds = std::chrono::duration<double>(clock.monotonic() - begun).count();
  show(context.output(), wanted.point, *report, {request.dry_run, place.delete_extra, removed_count, seconds});
  if (report->damage_found) return Exit::damage;
  return report->problems.empty() ? Exit::done : Exit::skips;
}

}  // namespace

Command restore_command() {
  return {.name = "restore",
          .positionals = "POINT[:PATH]",
          .summary = "Restore a recovery point or part of it",
          .description =
              "POINT is 'latest', an id or the beginning of one. Full paths are put beneath DIR; with POINT:PATH the "
              "contents of PATH go into DIR, and its own metadata onto DIR. What is there already and right is left "
              "alone, so a restore that was stopped goes on where it was. Of a bucket, DIR gets the current objects, "
              "or those of the moment --at; what can be no file is told.",
          .options = options,
          .positionals_min = 1,
          .positionals_max = 1,
          .check = check,
          .run = run};
}

}  // namespace holdfast::cli
