// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <boost/json.hpp>
#include <condition_variable>
#include <limits>
#include <mutex>
#include <thread>

#include "cli/commands.h"
#include "cli/context.h"
#include "cli/point_text.h"
#include "cli/run.h"
#include "codec/compress.h"
#include "job/backup.h"
#include "os/clock.h"
#include "os/environment.h"
#include "os/file.h"
#include "os/process.h"

namespace holdfast::cli {

namespace {

constexpr Option options[] = {
    {"tag", 0, "TAG", "Tag the point; several are parted by commas", true},
    {"host", 'H', "HOST", "The point's host name (this machine's)"},
    {"description", 0, "TEXT", "Say what the point is"},
    {"time", 0, "SECONDS", "Seconds since 1970 as the point's time (now)"},
    {"exclude", 'e', "PATTERN", "Leave out what matches, in gitignore's syntax", true},
    {"iexclude", 0, "PATTERN", "The same, ignoring case", true},
    {"exclude-file", 0, "FILE", "Read such patterns from a file", true},
    {"exclude-if-present", 0, "NAME", "Leave out what is in folders that hold this name", true},
    {"exclude-caches", 0, "", "Leave out what is in folders marked by CACHEDIR.TAG"},
    {"exclude-larger-than", 0, "BYTES", "Leave out larger files; K, M, G and T are understood"},
    {"exclude-type", 0, "TYPE", "Leave out device, fifo, socket or symlink", true},
    {"one-file-system", 'x', "", "Do not cross into other file systems"},
    {"change-detection", 0, "MODE", "full, ignore-ctime, ignore-inode or mtime-size"},
    {"force", 'f', "", "Read everything again"},
    {"parent", 0, "POINT", "Build upon this point instead of the newest of the same host and paths"},
    {"files-from", 0, "FILE", "Back up the paths named in a file, one a line", true},
    {"current-only", 0, "", "Of a bucket: leave out versions that were replaced or deleted"},
    {"changes", 0, "QUEUE", "Of a bucket: ask for what this SQS queue (URL or ARN) heard of, instead of listing all"},
    {"inventory", 0, "URL", "Of a bucket: ask for what reports of S3 Inventory point to, instead of listing all"},
    {"reconcile-every", 0, "TIME", "With --changes (24h) or --inventory (7d): list all so often nevertheless"},
    {"stdin", 0, "", "Back up standard input"},
    {"stdin-name", 0, "NAME", "Under this name (stdin)"},
    {"compression", 0, "EFFORT", "fast, auto, better or max"},
    {"workers", 0, "N", "Threads that read and compress (one a processor)"},
    {"profile", 0, "", "Say at the end what each stage cost"},
    {"dry-run", 'n', "", "Show what would be done and write nothing"},
    {"before", 0, "COMMAND", "Run this first; its failure ends the backup"},
    {"after", 0, "COMMAND", "Run this when done; HOLDFAST_EXIT_CODE and HOLDFAST_POINT tell it how it went"},
};

Result<SourceRequest> source_request(Context& context, const Arguments& arguments) {
  SourceRequest request;
  request.paths = arguments.positionals();
  for (const std::string& file : arguments.all("files-from")) {
    for (std::string& line : TRY(context.services().read_lines(file))) request.paths.push_back(std::move(line));
  }
  if (arguments.has("stdin")) request.stdin_name = arguments.get("stdin-name").value_or("stdin");
  request.changes_queue = arguments.get("changes").value_or("");
  request.listing_interval = TRY(arguments.duration("reconcile-every"));
  request.inventory = arguments.get("inventory").value_or("");
  if (request.listing_interval && request.changes_queue.empty() && request.inventory.empty()) {
    return Error(ErrorCode::invalid, "--reconcile-every is of no use without --changes or --inventory");
  }
  if (!request.changes_queue.empty() && request.stdin_name) {
    return Error(ErrorCode::invalid, "--changes: only a bucket tells a queue of its changes");
  }
  if (!request.inventory.empty() && request.stdin_name) {
    return Error(ErrorCode::invalid, "--inventory: only a bucket has inventories");
  }
  if (!request.inventory.empty() && !request.changes_queue.empty()) {
    return Error(ErrorCode::invalid, "--inventory and --changes do not go together")
        .with_hint("A queue tells more, and sooner; take --inventory where there is none.");
  }
  if (request.paths.empty() == !request.stdin_name) {
    return Error(ErrorCode::invalid, request.stdin_name ? "--stdin backs up nothing else" : "nothing to back up")
        .with_hint("Name paths, or give --files-from or --stdin.");
  }
  request.excludes = arguments.all("exclude");
  for (const std::string& file : arguments.all("exclude-file")) {
    for (std::string& line : TRY(context.services().read_lines(file))) request.excludes.push_back(std::move(line));
  }
  request.excludes_ignoring_case = arguments.all("iexclude");
  request.exclude_if_present = arguments.all("exclude-if-present");
  request.exclude_caches = arguments.has("exclude-caches");
  request.one_file_system = arguments.has("one-file-system");
  request.force = arguments.has("force");
  request.current_only = arguments.has("current-only");
  request.types_left_out = arguments.all("exclude-type");
  request.change_detection = arguments.get("change-detection").value_or("");
  request.size_bytes_max = TRY(arguments.size("exclude-larger-than")).value_or(UINT64_MAX);
  request.vault_folders = context.services().store_folders(TRY(context.vault_url()));
  for (const os::UserFolder folder : {os::UserFolder::state, os::UserFolder::cache}) {
    auto path = os::user_folder(folder);
    if (!path) continue;
    // It is known by its inode, so it must be there before the scan, which may come by after this run has made it.
    os::make_directories(*path, 0700).ignore("where it cannot be made, nothing will be kept in it");
    request.own_folders.push_back(std::move(*path));
  }
  request.own_folder_met = [&output = context.output()](const std::string& path, const std::string& what) {
    output.text(fmt::format("{} is left out: it is {}", path, what));
    output.object({{"type", "left_out"}, {"path", path}, {"reason", "it is " + what}});
  };
  return request;
}

Result<codec::Effort> compression_effort(const Arguments& arguments) {
  const std::string effort = arguments.get("compression").value_or("auto");
  if (effort == "fast") return codec::Effort::fast;
  if (effort == "auto") return codec::Effort::auto_;
  if (effort == "better") return codec::Effort::better;
  if (effort == "max") return codec::Effort::max;
  return Error(ErrorCode::invalid, "--compression: '" + effort + "' is none of fast, auto, better, max");
}

Result<job::BackupRequest> backup_request(Context& context, const Arguments& arguments, vault::Vault& vault) {
  job::BackupRequest request;
  request.host = arguments.get("host").value_or(os::host_name());
  request.user = os::user_name();
  request.tags = arguments.list("tag");
  request.description = arguments.get("description").value_or("");
  request.program_version = program_version;
  request.effort = TRY(compression_effort(arguments));
  request.worker_count = static_cast<unsigned>(TRY(arguments.number("workers")).value_or(0));
  request.ignore_parent = arguments.has("force");
  request.stop = context.stop();
  if (const auto seconds = TRY(arguments.number("time"))) {
    constexpr auto seconds_max = static_cast<uint64_t>(std::numeric_limits<UnixTimeNs>::max()) / 1'000'000'000;
    if (*seconds > seconds_max) {
      return Error(ErrorCode::invalid, fmt::format("--time {}: later than the year 2262", *seconds));
    }
    request.time = static_cast<UnixTimeNs>(*seconds) * 1'000'000'000;
  }
  if (const auto parent = arguments.get("parent")) {
    request.parent = TRY(find_point(vault, *parent, {})).id;
  }
  return request;
}

// What the store has lost is no fault of this backup, but whoever owns the vault must hear of it.
void report_losses(Output& output, const job::BackupReport& report) {
  const uint64_t packs = report.lost_pack_count, segments = report.damaged_segment_count;
  if (packs == 0 && segments == 0) return;
  if (packs > 0) output.warn(fmt::format("the vault has lost {} pack{}", packs, packs > 1 ? "s" : ""));
  if (segments > 0) {
    output.warn(fmt::format("{} segment{} of the vault's index cannot be read; 'holdfast repair' makes the index anew",
                            segments, segments > 1 ? "s" : ""));
  }
  if (report.was_tree_lost) {
    output.warn("the tree of the newest point was in there: everything was read again");
  } else if (report.lost_content_count > 0) {
    output.warn(fmt::format("{} contents beneath the newest point were lost with it; {} of them are there again, from "
                            "files that are still the same",
                            report.lost_content_count, report.healed_content_count));
  }
  output.warn("this backup is whole; run 'holdfast verify' to see whether earlier ones are");
  output.object({{"type", "losses"},
                 {"lost_packs", report.lost_pack_count},
                 {"damaged_segments", report.damaged_segment_count},
                 {"lost_contents", report.lost_content_count},
                 {"healed_contents", report.healed_content_count}});
}

void report_rewrites(Output& output, const job::BackupReport& report) {
  if (report.rewritten_bytes == 0) return;
  if (output.verbosity() > 0) {
    output.text(fmt::format("{} that were scattered were stored again", human_bytes(report.rewritten_bytes)));
  }
  output.object({{"type", "rewrites"}, {"bytes", report.rewritten_bytes}});
}

// How it was found out what changed, and what of that is not as it should be.
void report_changes(Output& output, const source::ChangeNews& changes) {
  const std::string due = local_time_text(changes.next_listing);
  if (changes.by_events) {
    output.text(fmt::format("changes from the queue: {} events, {} keys asked for; listed again from {} on",
                            changes.event_count, changes.key_count, due));
  } else if (changes.by_report && changes.report_is_new) {
    output.text(fmt::format("changes from the inventory of {}: {} keys asked for; listed again from {} on",
                            local_time_text(changes.report_time), changes.key_count, due));
  } else if (changes.by_report) {
    output.text(fmt::format("no inventory is newer than what the last backup knew (the newest: {}): {} keys asked for; "
                            "listed again from {} on",
                            local_time_text(changes.report_time), changes.key_count, due));
  } else {
    const std::string taken = changes.event_count > 0 ? fmt::format(" {} events taken;", changes.event_count) : "";
    output.text(fmt::format("everything was listed: {};{} listed again from {} on", changes.reason, taken, due));
  }
  for (const std::string& remark : changes.remarks) output.warn(remark);
}

boost::json::object json_of(const source::ChangeNews& changes) {
  const std::string_view by = changes.by_events ? "events" : changes.by_report ? "inventory" : "listing";
  boost::json::object object{{"by", by},
                             {"events", changes.event_count},
                             {"keys_asked", changes.key_count},
                             {"next_listing", rfc3339(changes.next_listing)}};
  if (!changes.by_events && !changes.by_report) object["reason"] = changes.reason;
  if (changes.by_report) object["inventory"] = rfc3339(changes.report_time);
  if (changes.by_report) object["inventory_is_new"] = changes.report_is_new;
  return object;
}

void report_summary(Context& context, const job::BackupReport& report, bool dry_run, double seconds,
                    const std::optional<source::ChangeNews>& changes) {
  const job::BackupCounts& counts = report.counts;
  const uint64_t stored = report.point.point.stored_bytes;
  Output& output = context.output();
  if (!dry_run) {
    output.text(fmt::format("point {} of {} entries, {}", short_name(report.point.id), report.point.point.entry_count,
                            human_bytes(report.point.point.size_bytes)));
  }
  output.text(fmt::format("{} new, {} changed, {} unchanged, {} removed, {} skipped", counts.new_count,
                          counts.changed_count, counts.unchanged_count, counts.removed_count, counts.skipped_count));
  if (dry_run) {
    output.text(fmt::format("{} would be read; nothing was written", human_bytes(counts.read_bytes)));
  } else {
    output.text(fmt::format("read {}, stored {}, in {}", human_bytes(counts.read_bytes), human_bytes(stored),
                            human_duration(seconds)));
  }
  boost::json::object summary{{"type", "summary"}};
  summary["recovery_point_id"] = dry_run ? boost::json::value(nullptr) : boost::json::value(to_hex(report.point.id));
  summary["bytes_read"] = counts.read_bytes;
  summary["bytes_stored"] = stored;
  summary["new"] = counts.new_count;
  summary["changed"] = counts.changed_count;
  summary["unchanged"] = counts.unchanged_count;
  summary["skipped"] = counts.skipped_count;
  summary["seconds"] = seconds;
  if (changes) summary["changes"] = json_of(*changes);
  if (dry_run) summary["dry_run"] = true;
  output.object(summary);
}

// What each stage cost, by byte read: processor time, and the time its threads spent in it, waiting included.
void report_profile(Context& context, const Profile& profile, std::chrono::nanoseconds process_cpu,
                    uint64_t read_bytes) {
  Output& output = context.output();
  const double bytes = static_cast<double>(std::max<uint64_t>(read_bytes, 1));
  const auto line = [&](std::string_view name, uint64_t cpu_ns, uint64_t elapsed_ns, uint64_t count) {
    output.text(fmt::format("{:<24} {:>9.3f} {:>9.3f} {:>8.2f} {:>9}", name, static_cast<double>(cpu_ns) / bytes,
                            static_cast<double>(elapsed_ns) / bytes, static_cast<double>(cpu_ns) / 1e9, count));
    output.object({{"type", "profile"}, {"stage", name}, {"cpu_ns", cpu_ns}, {"elapsed_ns", elapsed_ns},
                   {"count", count}, {"bytes_read", read_bytes}});
  };
  output.text("stage                    CPU ns/B   time ns/B  CPU s     times");
  uint64_t known_ns = 0;
  for (size_t stage = 0; stage < stage_count; ++stage) {
    const Profile::Total total = profile.total(static_cast<Stage>(stage));
    known_ns += total.cpu_ns;
    line(to_string(static_cast<Stage>(stage)), total.cpu_ns, total.elapsed_ns, total.count);
  }
  const auto whole_ns = static_cast<uint64_t>(process_cpu.count());
  line("all else", whole_ns - std::min(whole_ns, known_ns), 0, 0);
  line("whole process", whole_ns, 0, 0);
}

// Counts what a first backup has before it, once it reads for longer than a moment: without that the display could not
// tell how long it will take. Later ones are measured by their parent. Holes count too, so sparse files seem longer.
class Census {
 public:
  Census(Context& context, SourceRequest wanted, job::Progress& progress) {
    const bool is_bucket = !wanted.paths.empty() && context.services().is_bucket_url(wanted.paths.front());
    if (!context.output().shows_status() || wanted.stdin_name || is_bucket) return;
    wanted.own_folder_met = [](const std::string&, const std::string&) {};
    Services& services = context.services();
    thread_ = std::jthread([&services, wanted = std::move(wanted), &progress](std::stop_token stop) {
      count(services, wanted, progress, std::move(stop));
    });
  }

 private:
  static void count(Services& services, const SourceRequest& wanted, job::Progress& progress, std::stop_token stop) {
    std::mutex mutex;
    std::condition_variable_any wake;
    std::unique_lock lock(mutex);
    // That there is a parent is known before the first entry is done.
    do {
      if (wake.wait_for(lock, stop, begins_after, [&] { return stop.stop_requested(); })) return;
    } while (progress.entries_done == 0 && progress.bytes_done == 0);
    if (progress.entries_expected > 0) return;
    auto source = services.open_source(wanted);
    if (!source) return;
    const auto counts = job::count_source(**source, stop);
    if (counts && progress.entries_expected == 0) progress.bytes_expected = counts->read_bytes;
  }

  static constexpr auto begins_after = std::chrono::seconds(2);
  std::jthread thread_;
};

// What a person can do about it. A full disk is most likely the vault's.
Error failed(Error error, const std::string& vault_url) {
  if (error.code() == ErrorCode::no_space) {
    return std::move(error).during("vault " + vault_url).with_hint(
        "Make room there, as by 'holdfast collect', and run it again: what was stored is not stored again.");
  }
  if (error.code() == ErrorCode::cancelled) {
    return std::move(error).with_hint("No point was made. Run it again: what was stored is not stored again.");
  }
  return error;
}

Result<Exit> back_up(Context& context, const Arguments& arguments, std::string& point_id) {
  Clock& clock = context.services().clock();
  const auto begun = clock.monotonic();
  SourceRequest wanted = TRY(source_request(context, arguments));
  std::optional<source::ChangeNews> changes;
  wanted.changes_found = [&changes](const source::ChangeNews& found) { changes = found; };
  auto source = TRY(context.services().open_source(wanted));
  vault::Vault& vault = *TRY(context.open_vault());
  job::BackupRequest request = TRY(backup_request(context, arguments, vault));
  Profile profile(os::thread_cpu_time, os::monotonic_time);
  if (arguments.has("profile")) request.profile = &profile;
  const bool dry_run = arguments.has("dry-run");
  ProgressDisplay display(context.output(), clock, "backing up");
  std::optional<Census> census;
  if (!dry_run) census.emplace(context, std::move(wanted), display.progress);
  auto report = dry_run ? job::plan_backup(vault, *source, request, display)
                        : job::run_backup(vault, *source, request, display);
  census.reset();
  display.stop();
  if (!report) return failed(std::move(report.error()), TRY(context.vault_url()));
  if (!dry_run) point_id = to_hex(report->point.id);
  const double seconds = std::chrono::duration<double>(clock.monotonic() - begun).count();
  report_losses(context.output(), *report);
  report_rewrites(context.output(), *report);
  if (changes) report_changes(context.output(), *changes);
  if (report->after_commit) context.output().warn(report->after_commit->message());
  report_summary(context, *report, dry_run, seconds, changes);
  if (request.profile != nullptr) {
    report_profile(context, profile, os::process_cpu_time(), report->counts.read_bytes);
  }
  return report->counts.skipped_count > 0 ? Exit::skips : Exit::done;
}

Result<Exit> run(Context& context, const Arguments& arguments) {
  if (const auto before = arguments.get("before")) {
    const auto outcome = TRY(os::run_command(*before, {}));
    if (outcome.exit_status != 0) {
      return Error(ErrorCode::invalid, fmt::format("the command before the backup failed with exit code {}",
                                                   outcome.exit_status));
    }
  }
  std::string point_id;
  Result<Exit> code = back_up(context, arguments, point_id);
  if (const auto after = arguments.get("after")) {
    const int status = static_cast<int>(code ? *code : exit_code_of(code.error()));
    const auto outcome = os::run_command(
        *after, {.environment = {{"HOLDFAST_EXIT_CODE", std::to_string(status)}, {"HOLDFAST_POINT", point_id}}});
    if (!outcome || outcome->exit_status != 0) context.output().warn("the command after the backup failed");
  }
  return code;
}

}  // namespace

Command backup_command() {
  return {.name = "backup",
          .positionals = "PATH...",
          .summary = "Back up files and folders",
          .description =
              "Makes a recovery point of the paths. What has not changed since the newest point of the same host and "
              "paths is not read again; what the vault holds already is not stored again. Exit code 3: the point "
              "exists, but some items could not be read and are listed in it.",
          .options = options,
          .positionals_min = 0,
          .positionals_max = 1'000'000,
          .run = run};
}

}  // namespace holdfast::cli
