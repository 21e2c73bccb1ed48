// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <boost/json.hpp>

#include "cli/commands.h"
#include "cli/context.h"
#include "cli/key_options.h"

namespace holdfast::cli {

namespace {

constexpr Option options[] = {
    {"name", 0, "NAME", "What the key is called in 'key list'"},
    {"passphrase", 0, "", "Add a passphrase (the default): asked for unless given by the next two"},
    {"new-password-file", 0, "FILE", "Read it from a file (HOLDFAST_NEW_PASSWORD_FILE; HOLDFAST_NEW_PASSWORD)"},
    {"new-password-command", 0, "COMMAND", "Take what a command prints (HOLDFAST_NEW_PASSWORD_COMMAND)"},
    {"kdf-memory", 0, "MIB", "Memory that one guess at the passphrase costs (64)"},
    {"kdf-iterations", 0, "N", "Passes over that memory (3)"},
    {"recovery", 0, "", "Make a recovery key and print it"},
    {"recipient", 0, "HEX", "Let the holder of this X25519 public key open the vault"},
    {"key-file-out", 0, "FILE", "Make a key file and write it here"},
};

// Which of the kinds is asked for.
std::string_view kind_of(const Arguments& arguments) {
  for (const std::string_view kind : {"recovery", "recipient", "key-file-out"}) {
    if (arguments.has(kind)) return kind;
  }
  return "passphrase";
}

Status check(const Arguments& arguments) {
  int kinds = 0;
  for (const std::string_view kind : {"recovery", "recipient", "key-file-out"}) kinds += arguments.has(kind) ? 1 : 0;
  const bool is_passphrase = arguments.has("passphrase") || arguments.has("new-password-file") ||
                             arguments.has("new-password-command");
  if (kinds + (is_passphrase ? 1 : 0) <= 1) return {};
  return Error(ErrorCode::invalid, "one key at a time")
      .with_hint("Give one of --passphrase, --recovery, --recipient and --key-file-out.");
}

struct Added {
  std::optional<std::string> recovery_key;
};

Result<Added> add(Context& context, const Arguments& arguments, vault::Keyring& keyring) {
  Rng& rng = context.services().rng();
  Clock& clock = context.services().clock();
  const std::string name = arguments.get("name").value_or("");
  const std::string_view kind = kind_of(arguments);
  Added added;
  if (kind == "recovery") {
    added.recovery_key = TRY(keyring.add_recovery_key(name.empty() ? "recovery" : name, rng, clock));
  } else if (kind == "recipient") {
    const crypto::PublicKey32 key = TRY(public_key_of(arguments, "recipient"));
    (void)TRY(keyring.add_recipient(key, name, rng, clock));
  } else if (kind == "key-file-out") {
    const std::string path = *arguments.get("key-file-out");
    TRY_DO(expect_no_file(path).during("key file"));
    const crypto::SecretBytes content = TRY(keyring.add_key_file(name, rng, clock));
    const std::string slot = std::to_string(keyring.slots().back().id);
    TRY_DO(write_secret_file(path, content).during("slot " + slot + " was added, but nobody has its key file"));
  } else {
    const crypto::KdfParameters kdf = TRY(kdf_of(arguments));
    const vault::Passphrase passphrase = TRY(context.new_passphrase("new-"));
    (void)TRY(keyring.add_passphrase(passphrase.text, name, kdf, rng, clock));
  }
  return added;
}

Result<Exit> run(Context& context, const Arguments& arguments) {
  vault::Keyring& keyring = TRY(context.open_vault())->keyring();
  const auto added = add(context, arguments, keyring);
  context.keys_changed();
  TRY_DO(added);
  const vault::Slot slot = keyring.slots().back();  // Ids ascend and are never used twice.
  Output& output = context.output();
  output.text(fmt::format("{} added as slot {}", slot_kind_name(slot.kind), slot.id));
  boost::json::object object{{"type", "slot"},
                             {"id", std::to_string(slot.id)},
                             {"kind", slot_kind_name(slot.kind)},
                             {"name", slot.name}};
  if (added->recovery_key) {
    output.text("recovery key (keep it apart from the vault):");
    if (!output.json()) output.line(*added->recovery_key);
    object["recovery_key"] = *added->recovery_key;
  }
  output.object(object);
  return Exit::done;
}

}  // namespace

Command key_add_command() {
  return {.name = "key add",
          .positionals = "",
          .summary = "Let one more passphrase, recovery key, public key or key file open the vault",
          .description = "Whoever holds the new key can do all that the vault's owner can. 'key agent' makes one that "
                         "can only add backups.",
          .options = options,
          .positionals_min = 0,
          .positionals_max = 0,
          .check = check,
          .run = run};
}

}  // namespace holdfast::cli
