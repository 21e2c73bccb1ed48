// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <string>
#include <string_view>

#include "base/hash_id.h"
#include "base/result.h"
#include "crypto/secret.h"
#include "format/key_list.h"

// Keys as text: what people write down and what lies in files outside the vault (docs/format.md 3.9-3.11).
namespace holdfast::format {

// The key list a file was made with: whoever reads the file accepts none older.
struct KeyListPin {
  uint64_t number = 0;
  ObjectId hash;
  friend bool operator==(const KeyListPin&, const KeyListPin&) = default;
};

// Opens a slot of the owner's.
struct KeyFileText {
  std::string name;
  VaultId vault;
  crypto::Secret32 private_key;
  KeyListPin pin;
};

// What an agent's or a collector's machine holds. Keys of the domain are not here: the key list grants them, so that
// they follow its epochs and end with the author's removal.
struct AgentCredentialText {
  std::string name;
  AuthorRole role = AuthorRole::agent;
  VaultId vault;
  uint32_t domain = 0;
  crypto::Secret32 signing_seed;
  crypto::Secret32 box_private_key;
  KeyListPin pin;
};

inline constexpr size_t key_text_size_bytes_max = 4096;

// Lines of "field value" under a first line that names kind and version; the last is a checksum.
crypto::SecretBytes encode_key_file(const KeyFileText& file);
crypto::SecretBytes encode_agent_credential(const AgentCredentialText& credential);
bool is_key_file(ByteView text);
bool is_agent_credential(ByteView text);
// `invalid` if malformed or mistyped. Line ends may be those of any system.
Result<KeyFileText> decode_key_file(ByteView text);
Result<AgentCredentialText> decode_agent_credential(ByteView text);

// 14 groups of four characters without I, L, O and U, joined by hyphens. Says with 80 bits which vault it opens.
struct RecoveryText {
  static constexpr size_t secret_size_bytes = 20;
  static constexpr size_t vault_size_bytes = 10;
  std::array<std::byte, vault_size_bytes> vault{};  // The first bytes of the vault id.
  crypto::SecretBytes secret;                       // 20 bytes.
};
std::string encode_recovery_text(const RecoveryText& recovery);
// Reads either case, any grouping, O for 0, I and L for 1. `invalid` if mistyped.
Result<RecoveryText> decode_recovery_text(std::string_view text);

}  // namespace holdfast::format
