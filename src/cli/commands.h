// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>

#include "cli/command.h"

// One function a command, each in a file of its own.
namespace holdfast::cli {

Command vault_create_command();
Command vault_info_command();
Command vault_stats_command();
Command vault_devices_command();
Command vault_replace_device_command();
Command vault_add_device_command();
Command vault_durability_command();
Command key_list_command();
Command key_add_command();
Command key_remove_command();
Command key_rotate_command();
Command key_agent_command();
Command backup_command();
Command restore_command();
Command points_command();
Command show_command();
Command tag_command();
Command thaw_command();
Command ls_command();
Command find_command();
Command cat_command();
Command diff_command();
Command mount_command();
Command serve_point_command();
Command serve_command();
Command export_command();
Command copy_command();
Command forget_command();
Command undelete_command();
Command hold_add_command();
Command hold_remove_command();
Command hold_list_command();
Command vault_lock_command();
Command collect_command();
Command verify_command();
Command scrub_command();
Command repair_command();
Command completion_command();
Command man_command();
Command version_command();

}  // namespace holdfast::cli
