// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>

#include "cli/command.h"

// One function a command, each in a file of its own.
namespace holdfast::cli {

Command vault_create_command();
Command vault_info_command();
Command backup_command();
Command restore_command();
Command points_command();
Command ls_command();
Command find_command();
Command cat_command();
Command diff_command();
Command version_command();

}  // namespace holdfast::cli
