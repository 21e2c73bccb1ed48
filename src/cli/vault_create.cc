// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <boost/json.hpp>

#include "cli/commands.h"
#include "cli/context.h"
#include "cli/key_options.h"
#include "os/environment.h"
#include "os/file.h"

namespace holdfast::cli {

namespace {

constexpr Option options[] = {
    {"key-file-out", 0, "FILE", "Make a key file instead of using a passphrase, and write it here"},
    {"recovery-key", 0, "", "Also make a recovery key and print it"},
    {"recipient", 0, "HEX", "Let the holder of this X25519 public key open the vault"},
    {"parity", 0, "PERCENT", "In a folder or bucket: so much parity with each object, to mend decay; 0: none (3)"},
    {"object-lock", 0, "MODE:DAYS", "In a bucket made for it: lock what is stored, by 'governance' or 'compliance'"},
    {"storage-class", 0, "data=CLASS", "In a bucket: the class of contents, such as GLACIER_IR"},
    {"kdf-memory", 0, "MIB", "Memory that one guess at the passphrase costs (64)"},
    {"kdf-iterations", 0, "N", "Passes over that memory (3)"},
};

Result<vault::CreateOptions> create_options(Context& context, const Arguments& arguments) {
  vault::CreateOptions create;
  create.author_name = os::host_name();
  create.kdf = TRY(kdf_of(arguments));
  if (arguments.has("recipient")) create.recipient = TRY(public_key_of(arguments, "recipient"));
  if (!arguments.has("key-file-out")) {
    create.first_slot = vault::Credential(TRY(context.new_passphrase("")));
  }
  return create;
}

Result<Exit> run(Context& context, const Arguments& arguments) {
  const std::string url = arguments.positionals().empty() ? TRY(context.vault_url()) : arguments.positionals().front();
  vault::CreateOptions create = TRY(create_options(context, arguments));
  // Kept before there is a vault: one whose only key nobody has is of no use to anybody.
  const auto key_path = arguments.get("key-file-out");
  bool is_key_kept = false;
  const auto keep_key_file = [&](const crypto::SecretBytes& content) -> Status {
    Status kept = write_secret_file(*key_path, content).during("key file");
    is_key_kept = kept.has_value();
    return kept;
  };
  if (key_path) {
    TRY_DO(expect_no_file(*key_path).during("key file"));
    create.keep_key_file = keep_key_file;
  }
  auto store = TRY(context.open_store(url, StoreUse::create));
  Services& services = context.services();
  auto created = vault::Keyring::create(*store, std::move(create), services.rng(), services.clock());
  if (!created && created.error().code() == ErrorCode::conflict) {
    if (is_key_kept) os::unlink_at(os::at_cwd, *key_path).ignore("a key that opens nothing");
    return std::move(created).error().during(url).with_hint("There is a vault already; nothing was changed.");
  }
  TRY_DO(created);
  const VaultId id = created->keyring.vault_id();
  std::optional<std::string> recovery_key;
  if (arguments.has("recovery-key")) {
    recovery_key = TRY(created->keyring.add_recovery_key("recovery", services.rng(), services.clock()));
  }
  vault::LocalState state;
  state.pins = created->keyring.pins();
  (void)TRY(context.attach(url, std::move(store), std::move(created->keyring), std::move(state)));

  Output& output = context.output();
  output.text(fmt::format("vault {} created at {}", to_hex(id).substr(0, 16), url));
  if (recovery_key) output.text("recovery key (keep it apart from the vault): " + *recovery_key);
  output.text("Whoever loses every key to this vault loses what is in it.");
  boost::json::object object{{"type", "vault"}, {"id", to_hex(id)}, {"url", url}};
  if (recovery_key) object["recovery_key"] = *recovery_key;
  output.object(object);
  return Exit::done;
}

}  // namespace

Command vault_create_command() {
  return {.name = "vault create",
          .positionals = "[URL]",
          .summary = "Make a vault",
          .description =
              "Makes an encrypted vault in an empty or new folder, on several devices, or in a bucket. Opened by a "
              "passphrase unless told otherwise. With --object-lock nobody can remove what a point needs before DAYS "
              "have passed since it was written or 'collect' last renewed it.",
          .options = options,
          .positionals_min = 0,
          .positionals_max = 1,
          .run = run};
}

}  // namespace holdfast::cli
