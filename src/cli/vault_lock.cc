// SPDX-License-Identifier: Apache-2.0
#include "job/vault_lock.h"

#include <boost/json.hpp>
#include <fmt/format.h>

#include "cli/commands.h"
#include "cli/context.h"
#include "cli/display_text.h"

namespace holdfast::cli {

namespace {

constexpr Option options[] = {
    {"governance", 0, "", "Lock so that the owner can take it back"},
    {"compliance", 0, "", "Lock so that nobody can, once the cooling-off has passed"},
    {"off", 0, "", "Take the lock back, where that is allowed"},
    {"min-days", 0, "N", "No point may be forgotten before it is so old"},
    {"max-days", 0, "N", "Points older than this are told as overdue"},
    {"cooling-off-days", 0, "N", "How long a compliance lock can still be taken back (3; at least 3)"},
};

constexpr uint64_t cooling_off_days_min = 3;

Result<std::optional<format::LockBody>> terms_of(const Arguments& arguments) {
  const int modes = (arguments.has("governance") ? 1 : 0) + (arguments.has("compliance") ? 1 : 0) +
                    (arguments.has("off") ? 1 : 0);
  const auto days_min = TRY(arguments.number("min-days"));
  const auto days_max = TRY(arguments.number("max-days"));
  const auto cooling_off = TRY(arguments.number("cooling-off-days"));
  if (modes == 0 && !days_min && !days_max && !cooling_off) return std::optional<format::LockBody>();
  if (modes != 1) {
    return Error(ErrorCode::invalid, "one of --governance, --compliance and --off is wanted");
  }
  format::LockBody terms;
  if (arguments.has("off")) return std::optional(terms);
  const bool is_compliance = arguments.has("compliance");
  if (!days_min) return Error(ErrorCode::invalid, "a lock needs --min-days");
  terms.mode = is_compliance ? format::LockMode::compliance : format::LockMode::governance;
  terms.days_min = *days_min;
  terms.days_max = days_max.value_or(0);
  terms.cooling_off_days = is_compliance ? cooling_off.value_or(cooling_off_days_min) : 0;
  if (is_compliance && terms.cooling_off_days < cooling_off_days_min) {
    return Error(ErrorCode::invalid, "--cooling-off-days: a mistake must be found in at least 3 days");
  }
  return std::optional(terms);
}

Status check(const Arguments& arguments) {
  TRY_DO(terms_of(arguments));
  return {};
}

std::string_view mode_text(format::LockMode mode) {
  switch (mode) {
    case format::LockMode::none: return "none";
    case format::LockMode::governance: return "governance";
    case format::LockMode::compliance: return "compliance";
  }
  return "";
}

Result<Exit> run(Context& context, const Arguments& arguments) {
  vault::Vault& vault = *TRY(context.open_vault());
  if (const auto terms = TRY(terms_of(arguments))) TRY_DO(job::set_vault_lock(vault, *terms));
  Output& output = context.output();
  std::vector<std::vector<std::string>> rows;
  for (const job::DomainLock& found : TRY(job::vault_locks(vault))) {
    const format::LockBody& terms = found.lock.terms;
    output.object({{"type", "lock"},
                   {"domain", found.domain},
                   {"mode", mode_text(terms.mode)},
                   {"min_days", terms.days_min},
                   {"max_days", terms.days_max},
                   {"cooling_off_days", terms.cooling_off_days},
                   {"final", found.is_final},
                   {"points_kept", found.kept_points},
                   {"points_overdue", found.overdue_points}});
    rows.push_back({std::to_string(found.domain), std::string(mode_text(terms.mode)), std::to_string(terms.days_min),
                    terms.days_max == 0 ? "" : std::to_string(terms.days_max), found.is_final ? "yes" : "no",
                    std::to_string(found.kept_points), std::to_string(found.overdue_points)});
  }
  output.text(format_table({">DOMAIN", "MODE", ">MIN", ">MAX", "FINAL", ">KEPT", ">OVERDUE"}, rows));
  return Exit::done;
}

}  // namespace

Command vault_lock_command() {
  return {.name = "vault lock",
          .positionals = "",
          .summary = "Show or set how long points may not be forgotten",
          .description = "Time is counted by the log: no clock that is set forward shortens it. In folders and on "
                         "devices the lock binds Holdfast's own commands; whoever can delete files there can still "
                         "delete them.",
          .options = options,
          .positionals_min = 0,
          .positionals_max = 0,
          .check = check,
          .run = run};
}

}  // namespace holdfast::cli
