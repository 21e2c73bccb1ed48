// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <boost/json.hpp>
#include <charconv>

#include "cli/commands.h"
#include "cli/context.h"
#include "cli/mended.h"
#include "cli/display_text.h"
#include "cli/scrub_run.h"
#include "cli/store_url.h"
#include "os/file.h"

namespace holdfast::cli {

namespace {

constexpr uint64_t ledger_size_bytes_max = 8 << 20;
constexpr mode_t private_mode = 0600;

constexpr Option options[] = {
    {"deadline", 0, "TIME", "Stop after so long and go on from there next time: 90s, 30m, 8h"},
    {"rate", 0, "MIB", "Read at most so many MiB a second"},
    {"from-start", 0, "", "Begin with the first object, wherever the last run stopped"},
    {"dry-run", 'n', "", "Tell what is damaged and mend nothing"},
    {"status", 0, "", "Only tell what was read when"},
};

Result<std::optional<std::chrono::nanoseconds>> deadline_of(const Arguments& arguments) {
  const auto text = arguments.get("deadline");
  if (!text) return std::optional<std::chrono::nanoseconds>();
  uint64_t count = 0;
  const auto [end, failed] = std::from_chars(text->data(), text->data() + text->size(), count);
  const std::string_view unit(end, text->data() + text->size());
  const uint64_t scale = unit == "h" ? 3600 : unit == "m" ? 60 : unit == "s" || unit.empty() ? 1 : 0;
  constexpr uint64_t seconds_max = 10ULL * 366 * 86400;
  if (failed != std::errc() || scale == 0 || count == 0 || count > seconds_max / scale) {
    return Error(ErrorCode::invalid, "--deadline: '" + *text + "' is no time such as 90s, 30m or 8h");
  }
  return std::optional<std::chrono::nanoseconds>(std::chrono::seconds(count * scale));
}

Status check(const Arguments& arguments) {
  TRY_DO(deadline_of(arguments));
  TRY_DO(arguments.number("rate"));
  return {};
}

std::optional<std::string> ledger_path(const std::string& url) {
  auto path = local_state_path(url);
  if (path) *path += ".scrub";
  return path;
}

Status keep_ledger(const std::string& url, const job::ScrubLedger& ledger) {
  const auto path = ledger_path(url);
  if (!path) return {};
  TRY_DO(os::make_directories(path->substr(0, path->rfind('/')), 0700));
  return os::write_durably(*path, ledger.encode(), private_mode, os::Existing::replace);
}

void tell_status(Output& output, const job::ScrubLedger& ledger) {
  const auto since = ledger.all_verified_since();
  output.text(since ? "every object was read since " + local_time_text(*since)
                    : std::string("some objects were never read by a scrub"));
  if (!ledger.cursor().empty()) output.text("the next run goes on behind " + ledger.cursor());
  boost::json::array runs;
  for (const job::ScrubLedger::Run& run : ledger.runs()) {
    output.text(fmt::format("{}  {} objects, {} lost, {} not read, from {} to {}", local_time_text(run.time),
                            run.objects, run.lost_count, run.unread_count, run.after.empty() ? "the first" : run.after,
                            run.up_to.empty() ? "the last" : run.up_to));
    runs.push_back({{"time", rfc3339(run.time)}, {"objects", run.objects}, {"lost", run.lost_count},
                    {"unread", run.unread_count}, {"after", run.after}, {"up_to", run.up_to}});
  }
  boost::json::object object{{"type", "scrub_status"}, {"cursor", ledger.cursor()}, {"runs", std::move(runs)}};
  if (since) object["all_verified_since"] = rfc3339(*since);
  output.object(object);
}

// `what` is "lost" or "unread".
void tell_findings(Output& output, std::string_view what, const std::vector<job::ScrubFinding>& findings,
                   uint64_t count) {
  for (const job::ScrubFinding& finding : findings) {
    output.object({{"type", what},
                   {"object", finding.key},
                   {"code", to_string(finding.error.code())},
                   {"message", finding.error.message()}});
    if (!output.json()) output.line(fmt::format("{}: {}", what, display_message(finding.error.message())));
  }
  if (count > findings.size()) output.warn(fmt::format("{} more objects are {}", count - findings.size(), what));
}

void tell_summary(Output& output, const job::ScrubReport& report, double seconds) {
  output.text(fmt::format("{} objects read ({}) in {}{}", report.objects, human_bytes(report.read_bytes),
                          human_duration(seconds), report.is_complete ? "" : "; the next run goes on from here"));
  output.text(fmt::format("{} damaged: {} parts wrong or missing, {} mended; {} moved; {} objects lost",
                          report.damaged_objects, report.damaged_parts, report.repaired_parts, report.moved_parts,
                          report.lost_count));
  if (report.thin_objects > 0) {
    output.text(fmt::format("{} objects have less redundancy than they should", report.thin_objects));
  }
  if (report.unfinished_objects > 0) {
    output.text(fmt::format("{} are unfinished, or lost: 'verify --data' tells; 'collect' removes what no point needs",
                            report.unfinished_objects));
  }
  if (report.archived_objects > 0) {
    output.text(fmt::format("{} are archived and were not read; 'thaw' says what that takes", report.archived_objects));
  }
  if (report.unread_count > 0) {
    output.text(fmt::format("{} could not be read; 'verify --data' says which points need them", report.unread_count));
  }
  output.object({{"type", "summary"},
                 {"objects", report.objects},
                 {"bytes_read", report.read_bytes},
                 {"damaged_objects", report.damaged_objects},
                 {"damaged_parts", report.damaged_parts},
                 {"repaired_parts", report.repaired_parts},
                 {"moved_parts", report.moved_parts},
                 {"thin_objects", report.thin_objects},
                 {"unfinished_objects", report.unfinished_objects},
                 {"archived_objects", report.archived_objects},
                 {"unread", report.unread_count},
                 {"lost", report.lost_count},
                 {"complete", report.is_complete},
                 {"seconds", seconds}});
}

Result<Exit> run(Context& context, const Arguments& arguments) {
  const std::string url = TRY(context.vault_url());
  const job::ScrubLedger ledger = TRY(load_scrub_ledger(url));
  if (arguments.has("status")) {
    tell_status(context.output(), ledger);
    return Exit::done;
  }
  auto store = TRY(context.open_store(url, StoreUse::open));
  job::ScrubRequest request;
  if (!arguments.has("from-start")) request.after = ledger.cursor();
  request.time_max = TRY(deadline_of(arguments));
  request.bytes_per_second_max = TRY(arguments.number("rate")).value_or(0) << 20;
  request.repair = arguments.has("dry-run") ? store::Repair::report : store::Repair::write_back;
  return scrub(context, *store, std::move(request));
}

}  // namespace

Result<job::ScrubLedger> load_scrub_ledger(const std::string& url) {
  const auto path = ledger_path(url);
  if (!path) return job::ScrubLedger();
  const auto bytes = os::read_file(*path, ledger_size_bytes_max);
  if (!bytes) return job::ScrubLedger();
  const auto ledger = job::ScrubLedger::decode(*bytes);
  return ledger ? *ledger : job::ScrubLedger();  // It only saves work.
}

Result<Exit> scrub(Context& context, store::ObjectStore& store, job::ScrubRequest request) {
  Clock& clock = context.services().clock();
  const std::string url = TRY(context.vault_url());
  request.stop = context.stop();
  std::unique_ptr<store::StoreLock> lock;
  if (store.capabilities().locks) lock = TRY(store.try_lock(store::LockMode::shared));
  const auto begun = clock.monotonic();
  const UnixTimeNs time = clock.now();
  auto scrubbed = job::run_scrub(store, clock, request);
  tell_mended(context.output(), store);  // Even if nothing else is known.
  const job::ScrubReport report = TRY(std::move(scrubbed));
  job::ScrubLedger ledger = TRY(load_scrub_ledger(url));
  if (report.is_complete || !report.last_key.empty()) {
    ledger.add({.time = time,
                .objects = report.objects,
                .lost_count = report.lost_count,
                .unread_count = report.unread_count + report.archived_objects,
                .after = request.after,
                .up_to = report.is_complete ? std::string() : report.last_key});
    const Status kept = keep_ledger(url, ledger);
    if (!kept) context.output().warn("could not remember how far the scrub came: " + kept.error().message());
  }
  tell_findings(context.output(), "lost", report.lost, report.lost_count);
  tell_findings(context.output(), "unread", report.unread, report.unread_count);
  tell_summary(context.output(), report, std::chrono::duration<double>(clock.monotonic() - begun).count());
  if (request.stop.stop_requested()) return Exit::interrupted;
  if (report.lost_count > 0) return Exit::damage;
  if (report.failure) return Error(*report.failure);
  const bool is_all_well = report.thin_objects == 0 && report.unfinished_objects == 0 &&
                           report.archived_objects == 0 && report.unread_count == 0;
  return is_all_well ? Exit::done : Exit::skips;
}

Command scrub_command() {
  return {.name = "scrub",
          .positionals = "",
          .summary = "Read everything a vault stores, and mend what decayed",
          .description =
              "Needs no key. Packs and index segments are compared with the hashes they are named by; on vaults with "
              "redundancy every stored unit is checked, and what is wrong or missing is built anew and written back. "
              "Goes through the objects in order and remembers where it stopped. Exit code 20: objects are lost, and "
              "each is named ('verify --data' says which points need them); 3: some have less redundancy than they "
              "should, could not be read, or are unfinished. Where the store answers no more the run ends, and the "
              "next one goes on with the object that was asked for.",
          .options = options,
          .positionals_min = 0,
          .positionals_max = 0,
          .check = check,
          .run = run};
}

}  // namespace holdfast::cli
