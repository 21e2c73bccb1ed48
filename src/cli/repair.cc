// SPDX-License-Identifier: Apache-2.0
#include "cli/commands.h"
#include "cli/context.h"
#include "cli/scrub_run.h"

namespace holdfast::cli {

namespace {

Result<Exit> run(Context& context, const Arguments&) {
  const std::string url = TRY(context.vault_url());
  auto store = TRY(context.open_store(url, StoreUse::open));
  return scrub(context, *store, {});
}

}  // namespace

Command repair_command() {
  return {.name = "repair",
          .positionals = "",
          .summary = "Build anew what is damaged or missing in a vault's store",
          .description = "Needs no key. Goes through all objects at once: rebuilds shards that a lost or replaced "
                         "device held, rewrites damaged ones, and moves to a new device what belongs there. Can be "
                         "stopped and started again. Exit codes as of scrub.",
          .options = {},
          .positionals_min = 0,
          .positionals_max = 0,
          .run = run};
}

}  // namespace holdfast::cli
