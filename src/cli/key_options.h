// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <boost/json/object.hpp>
#include <string>
#include <string_view>

#include "cli/command.h"
#include "vault/keyring.h"

// What the commands that deal with keys share.
namespace holdfast::cli {

std::string_view role_name(vault::Role role);
std::string_view slot_kind_name(vault::SlotKind kind);

// --kdf-memory and --kdf-iterations.
Result<crypto::KdfParameters> kdf_of(const Arguments& arguments);
// An X25519 public key of 64 hex digits; `invalid` naming the option otherwise.
Result<crypto::PublicKey32> public_key_of(const Arguments& arguments, std::string_view option);

// A file that only its owner may read. `conflict` if there is something under the name: key files are never replaced.
Status expect_no_file(const std::string& path);
Status write_secret_file(const std::string& path, const crypto::SecretBytes& content);

}  // namespace holdfast::cli
