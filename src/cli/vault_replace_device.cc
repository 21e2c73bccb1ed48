// SPDX-License-Identifier: Apache-2.0
#include <boost/json.hpp>

#include "cli/commands.h"
#include "cli/context.h"
#include "cli/scrub_run.h"

namespace holdfast::cli {

namespace {

constexpr Option options[] = {
    {"lost-for-good", 0, "",
     "Do it with fewer devices online than must agree: the old one never comes back, nobody else uses the vault"},
    {"no-rebuild", 0, "", "Leave the rebuilding to 'repair'"},
};

Result<Exit> run(Context& context, const Arguments& arguments) {
  const std::string url = TRY(context.vault_url());
  const auto set = TRY(context.services().open_devices(url));
  const std::string& old_device = arguments.positionals()[0];
  const std::string& new_path = arguments.positionals()[1];
  {
    const bool is_certain = arguments.has("lost-for-good");
    std::unique_ptr<store::StoreLock> lock;
    // Too few devices may be left for a lock that excludes everyone.
    if (set->capabilities().locks && !is_certain) lock = TRY(set->try_lock(store::LockMode::exclusive));
    TRY_DO(set->replace_device(old_device, new_path, is_certain));
  }
  context.output().text("device " + old_device + " is replaced by " + new_path +
                        "; name it in the vault's URL from now on");
  context.output().object({{"type", "device_replaced"}, {"old", old_device}, {"new", new_path}});
  if (arguments.has("no-rebuild")) return Exit::done;
  return scrub(context, *set, {});
}

}  // namespace

Command vault_replace_device_command() {
  return {.name = "vault replace-device",
          .positionals = "OLD NEW",
          .summary = "Put an empty device in the place of a lost one and rebuild its shards",
          .description = "OLD is the device's path or the beginning of its id, NEW an empty or new folder. Needs no "
                         "key. Backups may go on while shards are rebuilt; a rebuild that was stopped goes on with "
                         "'repair'.",
          .options = options,
          .positionals_min = 2,
          .positionals_max = 2,
          .run = run};
}

}  // namespace holdfast::cli
