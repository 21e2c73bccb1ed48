// SPDX-License-Identifier: Apache-2.0
#include <boost/json.hpp>

#include "cli/commands.h"
#include "cli/context.h"
#include "cli/scrub_run.h"

namespace holdfast::cli {

namespace {

constexpr Option options[] = {
    {"no-rebalance", 0, "", "Leave what is stored where it is; 'repair' moves it later"},
};

Result<Exit> run(Context& context, const Arguments& arguments) {
  const std::string url = TRY(context.vault_url());
  const auto set = TRY(context.services().open_devices(url));
  const std::string& path = arguments.positionals()[0];
  {
    std::unique_ptr<store::StoreLock> lock;
    if (set->capabilities().locks) lock = TRY(set->try_lock(store::LockMode::exclusive));
    TRY_DO(set->add_device(path));
  }
  context.output().text("device " + path + " belongs to the vault; name it in the vault's URL from now on");
  context.output().object({{"type", "device_added"}, {"path", path}});
  if (arguments.has("no-rebalance")) return Exit::done;
  return scrub(context, *set, {});
}

}  // namespace

Command vault_add_device_command() {
  return {.name = "vault add-device",
          .positionals = "PATH",
          .summary = "Give a vault on several devices one more, and move its share there",
          .description = "PATH is an empty or new folder. Needs no key. Backups may go on while shards are moved.",
          .options = options,
          .positionals_min = 1,
          .positionals_max = 1,
          .run = run};
}

}  // namespace holdfast::cli
