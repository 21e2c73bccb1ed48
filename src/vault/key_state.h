// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "format/key_list.h"
#include "vault/keyring.h"

// One key list, opened as far as a private key opens it. Within the room only.
namespace holdfast::vault {

inline constexpr std::string_view key_list_signature_context = "holdfast v1 key list";

// What seals of the key list are bound to.
Bytes slot_context(const VaultId& vault, uint32_t slot, uint32_t root_epoch);
Bytes owner_secrets_context(const VaultId& vault, uint64_t number);
Bytes collector_context(const VaultId& vault, DomainId domain, Epoch epoch);
Bytes area_context(const VaultId& vault, DomainId domain, Epoch epoch);
Bytes grant_context(const VaultId& vault, const AuthorId& author);
crypto::Secret32 owner_secrets_key(const crypto::Secret32& root_key);

VaultId vault_id_of(const crypto::SigningPublicKey& owner);
AuthorId author_id_of(const crypto::SigningPublicKey& key);

// Who opens: a slot's private key, or an author's keys.
struct KeyHolder {
  crypto::Secret32 box_private;
  std::optional<crypto::SigningKey> signing_key;  // Of agents and collectors.
  crypto::Secret32 root_key;  // Instead, for who has just made the vault for somebody else's key; else none.
  KeyHolder clone() const;
};

// A list whose signature is good: signed by the owner it names.
struct SignedKeyList {
  Bytes bytes;  // As stored, with the signature.
  ObjectId hash;
  VaultId vault;
  format::KeyListHeader header;
};
// `corrupt` unless the bytes are a key list signed by the owner it names.
Result<SignedKeyList> check_key_list(Bytes bytes);

struct KeyState {
  SignedKeyList stored;
  format::KeyList list;
  std::optional<crypto::SigningKey> signing_key;  // Always there once opened.
  Role role = Role::agent;
  uint32_t slot = 0;                               // The owner's, by which it was opened.
  crypto::Secret32 root_key;                       // The owner's only.
  crypto::Secret32 collector_key;                  // Owner and collectors.
  std::vector<DomainKeys> domains;                 // Ascending by domain.
  std::vector<Author> authors;                     // Ascending by id.
  std::vector<Slot> slots;                         // Named for the owner only.
  size_t self = 0;                                 // Among `authors`.

  const Author* author(const AuthorId& id) const;
  DomainKeys* domain(DomainId id);
};

// `wrong_key` if nothing in the list is for this holder, `corrupt` if what is does not open or does not fit.
Result<KeyState> open_key_state(SignedKeyList stored, format::KeyList list, const KeyHolder& holder);

}  // namespace holdfast::vault
