// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "base/result.h"
#include "cli/command.h"
#include "cli/output.h"
#include "cli/services.h"
#include "vault/vault.h"

namespace holdfast::cli {

// What a command works with: services, output, the opened vault. Made once per run.
class Context {
 public:
  Context(Services& services, Output& output, const Arguments& arguments, std::stop_token stop);
  ~Context();

  Services& services() { return services_; }
  Output& output() { return output_; }
  std::stop_token stop() const { return stop_; }

  // The vault's URL, from --vault, HOLDFAST_VAULT or the configuration file. `invalid` with a hint if there is none.
  Result<std::string> vault_url() const;

  // Opens the store and the vault with the credential that options and environment name; once. Keeps what is known of
  // the vault between runs (pins, log heads) in the user's state folder.
  Result<vault::Vault*> open_vault();
  // Another vault, for `copy`: options --from-…, environment HOLDFAST_FROM_….
  Result<vault::Vault*> open_other_vault(const std::string& url);
  // Takes over what has become of the vault's keys.
  void keys_changed();
  // Tells what there is to tell of the vaults opened, and remembers them. Called at the end of every run.
  void keep_local_state();
  // Stores what was learnt of the vaults opened; a failure is a warning. For commands that run for long, too: nobody
  // uses the vaults' logs meanwhile.
  void remember_vaults();

  // The credential for a vault: --password-file, --password-command, --key-file, or the environment's twins; else a
  // prompt. `prefix` is "" or "from-".
  Result<vault::Credential> credential(std::string_view prefix);
  // A new passphrase, taken from the like places or asked for twice at a prompt. `prefix` is "" for a new vault's first
  // one, "new-" for one more.
  Result<vault::Passphrase> new_passphrase(std::string_view prefix);

  struct OpenedVault;
  // For `vault create`.
  Result<OpenedVault*> attach(const std::string& url, std::unique_ptr<store::ObjectStore> store,
                              vault::Keyring keyring, vault::LocalState state);
  Result<std::unique_ptr<store::ObjectStore>> open_store(const std::string& url, StoreUse use);

 private:
  Result<vault::LocalState> load_local_state(const std::string& url) const;
  Result<OpenedVault*> open_at(const std::string& url, std::string_view prefix);

  Services& services_;
  Output& output_;
  const Arguments& arguments_;
  std::stop_token stop_;
  std::vector<std::unique_ptr<OpenedVault>> opened_;
  OpenedVault* main_ = nullptr;
};

struct Context::OpenedVault {
  std::string url;
  std::unique_ptr<store::ObjectStore> store;
  std::unique_ptr<vault::Vault> vault;
};

}  // namespace holdfast::cli
