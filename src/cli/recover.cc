// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <map>

#include "cli/recover.h"
#include "base/newer.h"
#include "cli/context.h"
#include "cli/mended.h"
#include "cli/point_text.h"
#include "cli/store_url.h"
#include "job/bucket_choice.h"
#include "job/repair.h"
#include "job/restore.h"
#include "os/environment.h"
#include "os/file.h"
#include "os/random.h"
#include "os/remove_folder.h"
#include "store/overlay_store.h"

namespace holdfast::cli {

namespace {

constexpr Option options[] = {
    {"to", 't', "DIR", "Restore beneath this folder, each point into one of its own"},
    {"all", 0, "", "Every point; without it the newest of each host and its roots"},
    {"host", 'H', "HOST", "Only points of this host"},
    {"path", 0, "PATH", "Only points with all these roots", true},
    {"tag", 0, "TAG", "Only points with all these tags", true},
    {"no-sync", 0, "", "Return before all is on disk"},
};

Status check(const Arguments& arguments) {
  if (arguments.has("to")) return {};
  return Error(ErrorCode::invalid, "no place to restore to").with_hint("Give --to DIR; the vault is left as it is.");
}

std::string temporary_folder() { return os::environment_variable("TMPDIR").value_or("/var/tmp"); }

// A folder for what the vault ought to hold, gone at the end.
class Scratch {
 public:
  static Result<std::unique_ptr<Scratch>> make() {
    auto scratch = std::unique_ptr<Scratch>(new Scratch(temporary_folder() + "/holdfast-recover-" + os::random_name()));
    TRY_DO(os::make_directories(scratch->path(), 0700));
    return scratch;
  }
  ~Scratch() { os::remove_folder(path_).ignore("it lies where temporary files are cleaned up"); }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  const std::string& path() const { return path_; }

 private:
  explicit Scratch(std::string path) : path_(std::move(path)) {}
  const std::string path_;
};

std::vector<vault::PointInfo> choose(const std::vector<vault::PointInfo>& points, const Arguments& arguments) {
  const job::PointFilter filter = filter_of(arguments);
  std::vector<vault::PointInfo> chosen;
  std::map<std::pair<std::string, std::vector<std::string>>, size_t> newest;
  for (const vault::PointInfo& point : points) {
    if (!job::matches(filter, point)) continue;
    const auto [place, is_new] = newest.try_emplace({point.point.host, point.point.roots}, chosen.size());
    if (arguments.has("all") || is_new) {
      chosen.push_back(point);
    } else {
      chosen[place->second] = point;
    }
  }
  return chosen;
}

struct Outcome {
  uint64_t whole = 0, partly = 0, lost = 0, problems = 0;
  uint64_t newer = 0;  // In part or not at all, but nothing is lost: a later version made the rest.
};

void tell_problem(Output& output, const vault::PointInfo& point, const std::string& name, const Error& error) {
  const char* const what = is_made_by_newer(error) ? "unknown" : "lost";
  if (!output.json()) {
    output.line(fmt::format("{} of point {}: {}: {}", what, short_name(point.id), name, error.message()));
  }
  output.object({{"type", what},
                 {"recovery_point_id", to_hex(point.id)},
                 {"name", name},
                 {"code", to_string(error.code())},
                 {"message", error.message()}});
}

Status recover_point(Context& context, const Arguments& arguments, vault::Vault& vault, const vault::PointInfo& point,
                     Outcome& outcome) {
  Output& output = context.output();
  TargetRequest place;
  place.directory = *arguments.get("to") + "/" + short_name(point.id);
  place.sync = !arguments.has("no-sync");
  TRY_DO(os::make_directories(place.directory, 0700));
  auto target = TRY(context.services().open_target(place));
  job::RestoreRequest request;
  if (job::is_bucket(point)) request.range.as_files.emplace();
  request.stop = context.stop();
  job::SilentObserver observer;
  const auto report = job::run_restore(vault, point, *target, request, observer);
  // A point that a later version made must not keep others from being recovered.
  const auto is = [&](ErrorCode code) { return report.error().code() == code; };
  if (!report && !is(ErrorCode::corrupt) && !is(ErrorCode::not_found) && !is_made_by_newer(report.error())) {
    return report.error();
  }
  if (!report) {
    ++(is_made_by_newer(report.error()) ? outcome.newer : outcome.lost);
    tell_problem(output, point, "all of it", report.error());
    return {};
  }
  for (const target::Problem& problem : report->problems) tell_problem(output, point, problem.name, problem.error);
  const auto is_newer = [](const target::Problem& problem) { return is_made_by_newer(problem.error); };
  const bool loses_nothing = std::ranges::all_of(report->problems, is_newer);
  ++(report->problems.empty() ? outcome.whole : loses_nothing ? outcome.newer : outcome.partly);
  outcome.problems += report->problems.size();
  output.text(fmt::format("point {} of {}: {} entries in {}, {} problems", short_name(point.id), point.point.host,
                          report->entry_count, place.directory, report->problems.size()));
  output.object({{"type", "point"},
                 {"recovery_point_id", to_hex(point.id)},
                 {"directory", place.directory},
                 {"entries", report->entry_count},
                 {"bytes_written", report->written_bytes},
                 {"problems", report->problems.size()}});
  return {};
}

// What the index ought to say, from the packs themselves.
Status rebuild(Context& context, vault::Vault& vault) {
  ProgressDisplay display(context.output(), context.services().clock(), "reading packs");
  const job::RepairRequest request{
      .apply = true, .read_data = false, .into_copy = true, .stop = context.stop()};
  const auto report = job::run_repair(vault, request, display);
  display.stop();
  TRY_DO(report);
  context.output().text(fmt::format("{} packs: {} that no index named, {} damaged, {} missing, {} unreadable; {} "
                                    "damaged index segments",
                                    report->packs, report->packs_indexed, report->packs_damaged, report->packs_missing,
                                    report->packs_unreadable + report->packs_unjudged, report->segments_set_aside));
  return {};
}

// The vault as it is, whatever it was when it was seen last. What is written goes to a folder of its own, and nothing
// of it is remembered.
class VaultAsItIs {
 public:
  static Result<std::unique_ptr<VaultAsItIs>> open(Context& context);
  vault::Vault& vault() { return *vault_; }
  store::ObjectStore& store() { return *store_; }

 private:
  std::unique_ptr<Scratch> scratch_;
  std::unique_ptr<store::ObjectStore> store_;
  std::unique_ptr<vault::Vault> vault_;
};

Result<std::unique_ptr<VaultAsItIs>> VaultAsItIs::open(Context& context) {
  Services& services = context.services();
  auto opened = std::make_unique<VaultAsItIs>();
  const std::string url = TRY(context.vault_url());
  auto beneath = context.open_store(url, StoreUse::open);
  if (!beneath && beneath.error().code() == ErrorCode::not_found) return no_vault_error(url);
  TRY_DO(beneath);
  opened->scratch_ = TRY(Scratch::make());
  auto changes = TRY(services.open_store(opened->scratch_->path(), StoreUse::create, {}));
  opened->store_ = std::make_unique<store::OverlayStore>(std::move(*beneath), std::move(changes));
  const vault::Credential key = TRY(context.credential(""));
  vault::Pins pins;
  auto keyring = vault::Keyring::open(*opened->store_, key, pins);
  if (!keyring && keyring.error().code() == ErrorCode::not_found) return no_vault_error(url);
  TRY_DO(keyring);
  opened->vault_ = std::make_unique<vault::Vault>(*opened->store_, std::move(*keyring), vault::LocalState{},
                                                  services.rng(), services.clock());
  opened->vault_->use_local_folders({.cache = {}, .temporary = temporary_folder()});
  opened->vault_->accept_history();
  return opened;
}

Result<Exit> run(Context& context, const Arguments& arguments) {
  const auto opened = TRY(VaultAsItIs::open(context));
  vault::Vault& vault = opened->vault();
  if (vault.keyring().role() != vault::Role::owner) {
    return Error(ErrorCode::refused, "this credential opens no content")
        .with_hint("Use the owner's passphrase, recovery key or key file.");
  }
  TRY_DO(rebuild(context, vault));
  const std::vector<vault::PointInfo> points = TRY(vault.points());
  for (const std::string& alarm : vault.alarms()) context.output().warn(alarm);
  for (const Error& newer : vault.newer()) context.output().warn(newer.message());
  Outcome outcome;
  for (const vault::PointInfo& point : choose(points, arguments)) {
    TRY_DO(recover_point(context, arguments, vault, point, outcome));
  }
  tell_mended(context.output(), opened->store());
  Output& output = context.output();
  output.text(fmt::format("{} points are whole, {} in part, {} lost; {} entries or parts of trees are not to be had",
                          outcome.whole, outcome.partly, outcome.lost, outcome.problems));
  if (outcome.newer > 0) {
    output.text(fmt::format("{} points need a newer version of Holdfast; nothing of them is lost", outcome.newer));
  }
  output.object({{"type", "summary"},
                 {"points", points.size()},
                 {"whole", outcome.whole},
                 {"partly", outcome.partly},
                 {"lost", outcome.lost},
                 {"newer", outcome.newer},
                 {"problems", outcome.problems},
                 {"alarms", vault.alarms().size()}});
  if (outcome.partly + outcome.lost > 0 || !vault.alarms().empty()) return Exit::damage;
  if (outcome.newer > 0 || !vault.newer().empty()) return Exit::skips;
  if (outcome.whole > 0) return Exit::done;
  return Error(ErrorCode::not_found, "there is no such point in this vault");
}

}  // namespace

Command recover_command() {
  return {.name = "recover",
          .positionals = "",
          .summary = "Restore what can be had from a damaged vault, and name what cannot",
          .description =
              "Needs nothing but the vault and a key: no index, no cache, no memory of earlier runs. Builds the index "
              "from the packs, takes what still opens out of damaged ones, reads the log as far as it goes, and "
              "restores the newest point of each host and roots (or all) into folders of their own. Everything that "
              "is lost is named. The vault is left as it is; 'repair --contents --apply' mends it. Exit code 20: "
              "something is lost. 3: nothing is, but a newer version made some of it.",
          .options = options,
          .positionals_min = 0,
          .positionals_max = 0,
          .check = check,
          .run = run};
}

}  // namespace holdfast::cli
