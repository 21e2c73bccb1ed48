// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cli/command.h"

namespace holdfast::cli {

// Adds defaults from the configuration file (--config, HOLDFAST_CONFIG, else config.yaml in the user's and the system's
// configuration folder) beneath what the command line says. Sections: `all`, and one for each command by its name;
// keys are option names without dashes, values scalars, lists or booleans. Unknown sections and keys are `invalid`,
// with their line.
Status apply_configuration(const Command& command, Arguments& arguments);

}  // namespace holdfast::cli
