// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "vault/key_state.h"

// Changes to a key list before it is signed. A draft is the owner's opened list, changed in memory; finish() makes the
// next list of it. Within the room only.
namespace holdfast::vault {

// The draft of a vault's first list: its keys and the owner as first author, but no slot and no domain yet.
KeyState start_draft(const format::KeyListParameters& parameters, UnixTimeNs now, Rng& rng);

struct NewSlot {
  format::SlotKind kind = format::SlotKind::passphrase;
  std::string name;
  crypto::PublicKey32 public_key;
  std::array<std::byte, 32> salt{};  // With kdf: of passphrases only.
  crypto::KdfParameters kdf;
};
// Yields its number. `conflict` if there is a slot for this key, `refused` beyond 64 slots.
Result<uint32_t> add_slot(KeyState& draft, const NewSlot& slot, UnixTimeNs now, Rng& rng);
// `not_found` without such a slot, `refused` for the last one. The root key must be replaced afterwards.
Status drop_slot(KeyState& draft, uint32_t id);

// `refused` beyond 65536 domains. The domain's first epoch starts here.
Result<DomainId> add_domain(KeyState& draft, std::string name, Rng& rng);

struct NewAuthor {
  crypto::SigningPublicKey key;
  crypto::PublicKey32 box_key;
  Role role = Role::agent;
  DomainId domain = 0;
  std::string name;
};
Status add_author(KeyState& draft, const NewAuthor& author, Rng& rng);
// `not_found` without such an author, `refused` for the owner or one removed before. New epochs must follow.
Status drop_author(KeyState& draft, const AuthorId& id, std::vector<format::LogPosition> last_records);

// Names the owner among the authors.
Status name_owner(KeyState& draft, std::string name, Rng& rng);

// A new root key, sealed to every slot, and a new collector key, sealed to every collector.
Status replace_root_key(KeyState& draft, Rng& rng);
Status replace_collector_key(KeyState& draft, Rng& rng);
// A new epoch, granted to every agent of the domain.
Status start_epoch(KeyState& draft, DomainId domain, Rng& rng);

// Signs the draft as the list after the one it came from. Yields the bytes to store.
Result<Bytes> finish_draft(KeyState& draft, UnixTimeNs now, Rng& rng);

}  // namespace holdfast::vault
