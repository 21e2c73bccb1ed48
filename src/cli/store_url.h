// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>

#include "base/error.h"
#include "vault/names.h"

namespace holdfast::cli {

// The file in the user's state folder that remembers a vault; nothing where there is no such folder. The name is a hash
// of the URL, a path made absolute first.
std::optional<std::string> local_state_path(const std::string& url);

// The same for a vault, wherever it is met: so that one that moved, or whose devices were replaced, is not taken for
// one that was never seen.
std::optional<std::string> local_state_path(const VaultId& vault);

// There is no vault at `url`: the one error with an exit code of its own that no ErrorCode names.
Error no_vault_error(const std::string& url);
bool is_no_vault_error(const Error& error);

}  // namespace holdfast::cli
