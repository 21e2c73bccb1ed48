// SPDX-License-Identifier: Apache-2.0
#include "cli/store_url.h"

#include "base/hash_id.h"
#include "crypto/hash.h"
#include "os/environment.h"

namespace holdfast::cli {

namespace {
constexpr std::string_view no_vault_text = "no vault at ";
}

std::optional<std::string> local_state_path(const std::string& url) {
  const auto folder = os::user_folder(os::UserFolder::state);
  if (!folder) return std::nullopt;
  std::string name = url;
  if (name.find("://") == std::string::npos && !name.starts_with('/')) {
    if (const auto here = os::current_directory()) name = *here + "/" + name;
  }
  while (name.size() > 1 && name.ends_with('/')) name.pop_back();
  const crypto::Hash32 hash = crypto::hash(as_bytes(name));
  return *folder + "/vaults/" + to_hex(ByteView(hash).first(16));
}

std::optional<std::string> local_state_path(const VaultId& vault) {
  const auto folder = os::user_folder(os::UserFolder::state);
  if (!folder) return std::nullopt;
  return *folder + "/vaults/id-" + to_hex(vault).substr(0, 32);
}

Error no_vault_error(const std::string& url) {
  return Error(ErrorCode::not_found, std::string(no_vault_text) + url)
      .with_hint("Check the name, or make one with 'holdfast vault create " + url + "'.");
}

bool is_no_vault_error(const Error& error) {
  return error.code() == ErrorCode::not_found && error.message().find(no_vault_text) != std::string::npos;
}

}  // namespace holdfast::cli
