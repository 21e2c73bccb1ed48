// SPDX-License-Identifier: Apache-2.0
#include <boost/json.hpp>
#include <fmt/format.h>

#include "cli/commands.h"
#include "cli/context.h"

namespace holdfast::cli {

namespace {

Result<Exit> run(Context& context, const Arguments&) {
  vault::Keyring& keyring = TRY(context.open_vault())->keyring();
  const Status rotated = keyring.rotate(context.services().rng(), context.services().clock());
  context.keys_changed();
  TRY_DO(rotated);
  context.output().text(fmt::format("new keys from now on (key list {}); all slots and points stay as they are",
                                    keyring.key_list_number()));
  context.output().object({{"type", "rotated"}, {"key_list", keyring.key_list_number()}});
  return Exit::done;
}

}  // namespace

Command key_rotate_command() {
  return {.name = "key rotate",
          .positionals = "",
          .summary = "Seal what is written from now on with new keys",
          .description = "Every passphrase and key that opens the vault goes on to open it, and every point stays "
                         "readable.",
          .options = {},
          .positionals_min = 0,
          .positionals_max = 0,
          .run = run};
}

}  // namespace holdfast::cli
