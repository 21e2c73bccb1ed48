// SPDX-License-Identifier: Apache-2.0
#include "job/repair.h"

#include <boost/json.hpp>
#include <fmt/format.h>

#include "cli/commands.h"
#include "cli/context.h"
#include "cli/scrub_run.h"

namespace holdfast::cli {

namespace {

constexpr Option options[] = {
    {"contents", 0, "", "With the vault's key: repair index and packs, not the store beneath; shows what it would do"},
    {"apply", 0, "", "With --contents: do it"},
    {"data", 0, "", "With --contents: read every pack, compare it with its name and what is in it with its ids"},
};

Status check(const Arguments& arguments) {
  if (arguments.has("contents") || (!arguments.has("apply") && !arguments.has("data"))) return {};
  return Error(ErrorCode::invalid, "--apply and --data go with --contents");
}

Result<Exit> repair_contents(Context& context, const Arguments& arguments) {
  vault::Vault& vault = *TRY(context.open_vault());
  const job::RepairRequest request{
      .apply = arguments.has("apply"), .read_data = arguments.has("data"), .stop = context.stop()};
  ProgressDisplay display(context.output(), context.services().clock(), "repairing");
  const auto report = job::run_repair(vault, request, display);
  display.stop();
  TRY_DO(report);
  Output& output = context.output();
  const char* would = request.apply ? "" : "would be ";
  output.text(fmt::format("{} packs; {} {}put into the index again, {} cannot be read", report->packs,
                          report->packs_indexed, would, report->packs_unreadable));
  output.text(fmt::format("{} packs are missing, {} damaged; {} records {}salvaged, {} are lost", report->packs_missing,
                          report->packs_damaged, report->records_salvaged, would, report->records_lost));
  output.text(fmt::format("{} damaged index segments {}set aside", report->segments_set_aside, would));
  const uint64_t unjudged = report->packs_unjudged + report->segments_unjudged;
  if (unjudged > 0) {
    output.text(fmt::format("{} packs and {} index segments stay as they are: they could not be read just now, or "
                            "another key or a newer program is needed", report->packs_unjudged,
                            report->segments_unjudged));
  }
  const uint64_t lost = report->packs_missing + report->records_lost + report->packs_unreadable;
  if (lost > 0) {
    output.text("What is lost comes back with the next 'holdfast backup --force' of the same data; 'holdfast verify' "
                "names the points and paths that need it.");
  }
  output.object({{"type", "summary"},
                 {"applied", request.apply},
                 {"packs", report->packs},
                 {"packs_indexed", report->packs_indexed},
                 {"packs_unreadable", report->packs_unreadable},
                 {"packs_unjudged", report->packs_unjudged},
                 {"packs_missing", report->packs_missing},
                 {"packs_damaged", report->packs_damaged},
                 {"records_salvaged", report->records_salvaged},
                 {"records_lost", report->records_lost},
                 {"segments_set_aside", report->segments_set_aside},
                 {"segments_unjudged", report->segments_unjudged}});
  if (lost > 0) return Exit::damage;
  return unjudged == 0 ? Exit::done : Exit::skips;
}

Result<Exit> run(Context& context, const Arguments& arguments) {
  if (arguments.has("contents")) return repair_contents(context, arguments);
  const std::string url = TRY(context.vault_url());
  auto store = TRY(context.open_store(url, StoreUse::open));
  return scrub(context, *store, {});
}

}  // namespace

Command repair_command() {
  return {.name = "repair",
          .positionals = "",
          .summary = "Build anew what is damaged or missing in a vault",
          .description = "Needs no key. Goes through all objects at once: rebuilds shards that a lost or replaced "
                         "device held, rewrites damaged ones, and moves to a new device what belongs there. Can be "
                         "stopped and started again. Exit codes as of scrub. With --contents it needs the key: it "
                         "builds the index anew from the signed contents of packs, moves what still opens out of "
                         "damaged packs, and takes out of the index what does not, so that the next backup of the same "
                         "data stores it again; damaged index segments are kept beneath quarantine/. What "
                         "cannot be read just now, or judged with this key, stays as it is: exit code 3. Exit code "
                         "20: something is lost.",
          .options = options,
          .positionals_min = 0,
          .positionals_max = 0,
          .check = check,
          .run = run};
}

}  // namespace holdfast::cli
