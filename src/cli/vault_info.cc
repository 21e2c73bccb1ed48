// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <boost/json.hpp>

#include "cli/commands.h"
#include "cli/context.h"
#include "cli/key_options.h"
#include "store/decorator.h"
#include "store/retention.h"

namespace holdfast::cli {

namespace {

// "compliance, 30 days"; empty where the store locks nothing.
Result<std::string> lock_text(store::ObjectStore& store) {
  auto* const retaining = store::find_interface<store::Retaining>(store);
  if (retaining == nullptr) return std::string();
  const auto terms = TRY(retaining->retention_terms());
  if (!terms) return std::string();
  const bool is_strict = terms->mode == store::RetentionMode::compliance;
  return fmt::format("{}, {} days", is_strict ? "compliance" : "governance", terms->span.count());
}

Result<Exit> run(Context& context, const Arguments&) {
  vault::Vault& vault = *TRY(context.open_vault());
  const auto points = TRY(vault.points());
  const vault::Keyring& keyring = vault.keyring();
  const vault::VaultParameters& parameters = keyring.parameters();
  Output& output = context.output();
  output.text(fmt::format("vault        {}", to_hex(keyring.vault_id())));
  output.text(fmt::format("store        {}", vault.store().describe()));
  output.text(fmt::format("created      {}", local_time_text(keyring.created())));
  output.text(fmt::format("opened as    {} ({})", role_name(keyring.role()), keyring.self().name));
  output.text(fmt::format("key list     number {}", keyring.key_list_number()));
  output.text(fmt::format("domains      {}", keyring.domains().size()));
  output.text(fmt::format("points       {}", points.size()));
  output.text(fmt::format("chunk size   {} on average", human_bytes(parameters.chunk_size_bytes_mean)));
  output.text(fmt::format("pack size    {}", human_bytes(parameters.pack_size_bytes)));
  const std::string object_lock = TRY(lock_text(vault.store()));
  if (!object_lock.empty()) output.text(fmt::format("object lock  {}", object_lock));
  boost::json::array domains;
  for (const vault::DomainId id : keyring.domains()) {
    const vault::LogHead& head = TRY(vault.domain(id))->log().head();
    const std::string head_text = fmt::format("{}:{}:{}", id, head.number, to_hex(head.hash));
    output.text(fmt::format("log head     {}", head_text));
    domains.push_back({{"id", id},
                       {"head", head_text},
                       {"name", keyring.domain(id)->name},
                       {"epoch", keyring.domain(id)->current().epoch},
                       {"readable", keyring.can_read_content(id)}});
  }
  output.object({{"type", "vault"},
                 {"id", to_hex(keyring.vault_id())},
                 {"store", vault.store().describe()},
                 {"created", rfc3339(keyring.created())},
                 {"role", role_name(keyring.role())},
                 {"key_list", keyring.key_list_number()},
                 {"points", points.size()},
                 {"object_lock", object_lock},
                 {"domains", std::move(domains)}});
  return Exit::done;
}

}  // namespace

Command vault_info_command() {
  return {.name = "vault info",
          .positionals = "",
          .summary = "Show what a vault is and who may open it",
          .description = "",
          .options = {},
          .positionals_min = 0,
          .positionals_max = 0,
          .run = run};
}

}  // namespace holdfast::cli
