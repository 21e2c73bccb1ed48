// SPDX-License-Identifier: Apache-2.0
#include <boost/json.hpp>

#include "cli/commands.h"
#include "cli/context.h"
#include "cli/key_options.h"

namespace holdfast::cli {

namespace {

void list_slots(const vault::Keyring& keyring, Output& output, std::vector<std::vector<std::string>>& rows) {
  for (const vault::Slot& slot : keyring.slots()) {
    output.object({{"type", "slot"},
                   {"id", std::to_string(slot.id)},
                   {"kind", slot_kind_name(slot.kind)},
                   {"name", slot.name},
                   {"created", rfc3339(slot.created)}});
    rows.push_back({"", std::to_string(slot.id), std::string(slot_kind_name(slot.kind)), slot.name, "",
                    local_time_text(slot.created)});
  }
}

void list_authors(const vault::Keyring& keyring, Output& output, std::vector<std::vector<std::string>>& rows) {
  for (const vault::Author& author : keyring.authors()) {
    const bool is_own = author.id == keyring.self().id;
    output.object({{"type", "author"},
                   {"id", vault::to_hex(author.id)},
                   {"kind", role_name(author.role)},
                   {"name", author.name},
                   {"domain", author.domain},
                   {"removed", author.removed},
                   {"current", is_own}});
    rows.push_back({is_own ? "*" : "", vault::to_hex(author.id),
                    std::string(role_name(author.role)) + (author.removed ? " (removed)" : ""), author.name,
                    author.domain == 0 ? "all" : std::to_string(author.domain), ""});
  }
}

Result<Exit> run(Context& context, const Arguments&) {
  const vault::Keyring& keyring = TRY(context.open_vault())->keyring();
  std::vector<std::vector<std::string>> rows;
  list_slots(keyring, context.output(), rows);
  list_authors(keyring, context.output(), rows);
  context.output().text(format_table({"", "ID", "KIND", "NAME", "DOMAIN", "CREATED"}, rows));
  return Exit::done;
}

}  // namespace

Command key_list_command() {
  return {.name = "key list",
          .positionals = "",
          .summary = "List who may open the vault and who may write to it",
          .description = "First the slots (each opens the whole vault), then those who sign what is written. A star is "
                         "before the one this run signs as.",
          .options = {},
          .positionals_min = 0,
          .positionals_max = 0,
          .run = run};
}

}  // namespace holdfast::cli
