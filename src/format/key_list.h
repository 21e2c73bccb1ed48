// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <vector>

#include "base/bytes.h"
#include "base/hash_id.h"
#include "base/result.h"
#include "base/seams.h"
#include "crypto/box.h"
#include "crypto/kdf.h"
#include "crypto/sign.h"

// The key list as it is stored (docs/format.md 3): what everybody may read of it, and sealed fields as bytes. Checking
// the signature and opening the seals is the vault's business.
namespace holdfast::format {

inline constexpr uint8_t key_list_version = 1;
inline constexpr size_t key_list_size_bytes_max = 16u << 20;
inline constexpr size_t key_list_slots_max = 64;
inline constexpr size_t key_list_domains_max = 65536;
inline constexpr size_t key_list_authors_max = 65536;
inline constexpr uint32_t key_list_epoch_max = 65535;
inline constexpr size_t key_name_size_bytes_max = 255;
inline constexpr size_t slot_parameters_size_bytes_max = 4096;

// 32 bytes sealed by crypto::seal_to or crypto::seal_with.
inline constexpr size_t sealed_key_size_bytes = 32 + crypto::box_overhead_bytes;
using SealedKey = std::array<std::byte, sealed_key_size_bytes>;

// Later kinds are kept, and open nothing here.
enum class SlotKind : uint8_t { passphrase = 1, recovery = 2, recipient = 3, key_file = 4 };
enum class AuthorRole : uint8_t { agent = 1, collector = 2, owner = 3 };

// Stands first in every list and is read before the signature is checked.
struct KeyListHeader {
  uint64_t number = 0;
  ObjectId previous;           // Hash of the list before; none for the first.
  crypto::SigningPublicKey owner;     // Its hash is the vault id.
};

// The same for all who write to the vault; within the bounds of docs/format.md 3.4.
struct KeyListParameters {
  uint32_t pack_size_bytes = 32u << 20;
  uint32_t chunk_size_bytes_mean = 128u << 10;
  uint32_t small_file_size_bytes_max = 64u << 10;
  uint32_t bundle_size_bytes = 1u << 20;
  friend bool operator==(const KeyListParameters&, const KeyListParameters&) = default;
};

struct KeyListSlot {
  uint32_t id = 0;
  SlotKind kind = SlotKind::passphrase;
  UnixTimeNs created = 0;
  crypto::PublicKey32 public_key;
  std::array<std::byte, 32> salt{};  // With kdf: of passphrases only.
  crypto::KdfParameters kdf;
  Bytes parameters;                    // Of kinds that this version does not know, as they are; else empty.
  SealedKey sealed_root{};
};

struct KeyListDomain {
  uint32_t id = 0;
  uint32_t epoch = 0;        // The current one.
  SealedKey collector_seal{};  // The current metadata key, under the collector key.
  Bytes area;                // DomainArea, under the current metadata key.
};

// The last record of one domain's log that counts although its author has been removed since.
struct LogPosition {
  uint32_t domain = 0;
  uint64_t number = 0;
  friend bool operator==(const LogPosition&, const LogPosition&) = default;
};

struct KeyListAuthor {
  crypto::SigningPublicKey verify_key;
  AuthorRole role = AuthorRole::agent;
  uint32_t domain = 0;            // 0 for owner and collectors.
  bool removed = false;
  crypto::PublicKey32 box_key;   // None for the owner.
  Bytes grant;                    // AgentGrant or the collector key, sealed to box_key; empty if removed or the owner.
  std::vector<LogPosition> last_records;  // By domain; empty unless removed.
};

struct KeyList {
  KeyListHeader header;
  UnixTimeNs created = 0;  // Of the vault.
  UnixTimeNs written = 0;  // Of this list.
  KeyListParameters parameters;
  // Marks of what later versions brought into this vault and this one does not know (docs/format.md 14.1), ascending:
  // it may be read without knowing them, but not be written to.
  std::vector<uint64_t> unknown_features;
  uint32_t root_epoch = 0;
  uint32_t slot_id_next = 0;    // Ids are never used twice.
  uint32_t domain_id_next = 0;
  std::vector<KeyListSlot> slots;      // Ascending by id.
  std::vector<KeyListDomain> domains;  // Ascending by id.
  std::vector<KeyListAuthor> authors;  // Ascending by key.
  Bytes owner_secrets;                 // OwnerSecrets, under a key derived from the root key.
};

// The list without its signature, which follows it and covers all of it.
Bytes encode_key_list(const KeyList& list);
// Fields at fixed places; `unsupported` for a later version, `corrupt` for what is no key list.
Result<KeyListHeader> decode_key_list_header(ByteView signed_bytes);
// Takes what encode_key_list made, without the signature. `corrupt` unless it is its one encoding and obeys every
// bound, `unsupported` if it can only be read by a later version; nothing is allocated for a count that the rest of the
// bytes cannot hold.
Result<KeyList> decode_key_list(ByteView signed_bytes);

// `invalid` outside the bounds.
Status check_key_list_parameters(const KeyListParameters& parameters);
// `invalid` if longer than 255 bytes or with control characters.
Status check_key_name(std::string_view name);

}  // namespace holdfast::format
