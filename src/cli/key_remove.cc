// SPDX-License-Identifier: Apache-2.0
#include <charconv>

#include <boost/json.hpp>

#include "cli/commands.h"
#include "cli/context.h"
#include "cli/key_options.h"

namespace holdfast::cli {

namespace {

constexpr size_t author_size_digits = 2 * sizeof(vault::AuthorId::value);

std::optional<uint32_t> parse_slot(std::string_view text) {
  uint32_t id = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), id);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return id;
}

std::optional<vault::AuthorId> parse_author(std::string_view text) {
  const auto bytes = from_hex(text);
  if (text.size() != author_size_digits || !bytes) return std::nullopt;
  vault::AuthorId id;
  std::copy(bytes->begin(), bytes->end(), id.value.begin());
  return id;
}

Status remove_key(Context& context, vault::Keyring& keyring, const std::string& text) {
  Rng& rng = context.services().rng();
  Clock& clock = context.services().clock();
  if (const auto author = parse_author(text)) {
    const vault::Author* known = keyring.author(*author);
    if (known == nullptr) return Error(ErrorCode::not_found, "no agent or collector " + text);
    if (known->role == vault::Role::owner) {
      return Error(ErrorCode::refused, text + " is the vault's owner")
          .with_hint("Slots open the vault for the owner; they can be removed one by one.");
    }
    return keyring.remove_agent(*author, rng, clock);
  }
  if (const auto slot = parse_slot(text)) return keyring.remove_slot(*slot, rng, clock);
  return Error(ErrorCode::not_found, "'" + text + "' is neither a slot's number nor an agent's id");
}

Result<Exit> run(Context& context, const Arguments& arguments) {
  vault::Keyring& keyring = TRY(context.open_vault())->keyring();
  for (const std::string& text : arguments.positionals()) {
    auto removed = remove_key(context, keyring, text);
    context.keys_changed();
    if (!removed) return std::move(removed.error()).with_hint("'holdfast key list' shows what there is.");
    context.output().text("removed " + text + "; it keeps what it knew of backups made before now");
    context.output().object({{"type", "removed"}, {"id", text}});
  }
  return Exit::done;
}

}  // namespace

Command key_remove_command() {
  return {.name = "key remove",
          .positionals = "ID...",
          .summary = "Take a slot's, an agent's or a collector's access away",
          .description = "Starts new keys for all that is written from now on. Who copied the vault's bytes before "
                         "can still open these with the removed key. The slot in use cannot be removed: open the "
                         "vault with another one first.",
          .options = {},
          .positionals_min = 1,
          .positionals_max = 1000,
          .run = run};
}

}  // namespace holdfast::cli
