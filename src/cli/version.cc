// SPDX-License-Identifier: Apache-2.0
#include <boost/json.hpp>

#include "cli/commands.h"
#include "cli/context.h"
#include "cli/run.h"

namespace holdfast::cli {

namespace {

Result<Exit> run(Context& context, const Arguments&) {
  context.output().text("holdfast " + std::string(program_version));
  context.output().object({{"type", "version"}, {"version", program_version}});
  return Exit::done;
}

}  // namespace

Command version_command() {
  return {.name = "version",
          .positionals = "",
          .summary = "Print the version",
          .description = "",
          .options = {},
          .positionals_min = 0,
          .positionals_max = 0,
          .run = run};
}

}  // namespace holdfast::cli
