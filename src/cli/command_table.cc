// SPDX-License-Identifier: Apache-2.0
#include "cli/commands.h"
#include "cli/recover.h"

namespace holdfast::cli {

std::span<const Option> common_options() {
  static constexpr Option options[] = {
      {"vault", 'r', "URL", "The vault: a path or URL (HOLDFAST_VAULT)"},
      {"password-file", 'p', "FILE", "Read the passphrase from a file (HOLDFAST_PASSWORD_FILE)"},
      {"password-command", 0, "COMMAND", "Take the passphrase a command prints (HOLDFAST_PASSWORD_COMMAND)"},
      {"key-file", 0, "FILE", "Open with a key file or an agent's credential (HOLDFAST_KEY_FILE)"},
      {"recovery-key-file", 0, "FILE", "Open with a recovery key (HOLDFAST_RECOVERY_KEY_FILE)"},
      {"config", 0, "FILE", "Defaults for options, in YAML (HOLDFAST_CONFIG)"},
      {"accept-history", 0, "", "Read a vault whose log was cut, rolled back or rewritten; nothing is removed from it"},
      {"expect-head", 0, "D:N:HASH", "Refuse a vault whose log of domain D lacks record N with this hash", true},
      {"json", 0, "", "Print lines of JSON"},
      {"quiet", 'q', "", "Print nothing but errors and what was asked for"},
      {"verbose", 'v', "", "Print every entry"},
      {"limit-upload", 0, "KIB", "Write to the vault at most so many KiB a second"},
      {"limit-download", 0, "KIB", "Read from the vault at most so many KiB a second"},
  };
  return options;
}

std::span<const Command> command_table() {
  static const std::array commands{
      vault_create_command(),
      vault_info_command(),
      vault_stats_command(),
      vault_devices_command(),
      vault_replace_device_command(),
      vault_add_device_command(),
      vault_durability_command(),
      key_list_command(),
      key_add_command(),
      key_remove_command(),
      key_rotate_command(),
      key_agent_command(),
      backup_command(),
      restore_command(),
      points_command(),
      show_command(),
      tag_command(),
      thaw_command(),
      ls_command(),
      find_command(),
      cat_command(),
      diff_command(),
      mount_command(),
      serve_point_command(),
      serve_command(),
      export_command(),
      copy_command(),
      forget_command(),
      undelete_command(),
      hold_add_command(),
      hold_remove_command(),
      hold_list_command(),
      vault_lock_command(),
      collect_command(),
      verify_command(),
      scrub_command(),
      repair_command(),
      recover_command(),
      completion_command(),
      man_command(),
      version_command(),
  };
  return commands;
}

}  // namespace holdfast::cli
