// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/result.h"
#include "base/seams.h"
#include "crypto/box.h"
#include "crypto/kdf.h"
#include "crypto/secret.h"
#include "crypto/sign.h"
#include "format/key_list.h"
#include "store/overview.h"
#include "vault/names.h"

// Who may do what in a vault, and the keys they do it with (docs/format.md 3, docs/security.md).
//
// The owner signs a numbered key list; each list is an object created exclusively and names the hash of the one before.
// The list holds domains with their epochs, authors with their roles, slots, and the vault's parameters. Every slot is
// an X25519 public key to which the owner's root key is sealed, whatever opens the private half (a passphrase through
// Argon2id, a recovery key, somebody's own private key): so the root key can be sealed anew without any passphrase.
namespace holdfast::vault {

// What opens a vault. Texts are taken as they are: callers normalise.
struct Passphrase { crypto::SecretBytes text; };
struct RecoveryKey { std::string text; };        // As printed by `vault create` or `key add --recovery`.
struct PrivateKey { crypto::Secret32 key; };     // The half that belongs to a recipient public key.
struct KeyFile { crypto::SecretBytes content; }; // An owner key file or an agent credential; says itself which.
using Credential = std::variant<Passphrase, RecoveryKey, PrivateKey, KeyFile>;

// The keys of one domain in one epoch. `data_private` is absent for agents and collectors.
struct EpochKeys {
  Epoch epoch = 0;
  crypto::Secret32 metadata_key;
  crypto::PublicKey32 data_public;
  std::optional<crypto::Secret32> data_private;
};
struct DomainKeys {
  DomainId domain = 0;
  std::string name;
  crypto::Secret32 id_key;      // Stays over epochs. None for collectors.
  crypto::Secret32 cutter_key;  // Stays over epochs. None for collectors.
  std::vector<EpochKeys> epochs;  // Ascending; the last is current. A removed holder's copy simply lacks later ones.
  const EpochKeys& current() const { return epochs.back(); }
  const EpochKeys* find(Epoch epoch) const;
};

struct Author {
  AuthorId id;
  crypto::SigningPublicKey public_key;
  Role role = Role::agent;
  DomainId domain = 0;       // 0: every domain (owner, collector).
  std::string name;          // Empty for those who may not know it.
  bool removed = false;      // Signs nothing any more.
  std::vector<format::LogPosition> last_records;  // If removed: where the logs it could write to ended then.

  // Whether record `number` of the log of `log_domain`, signed by this author, counts.
  bool counts(DomainId log_domain, uint64_t number) const;
};

using SlotKind = format::SlotKind;
struct Slot {
  uint32_t id = 0;
  SlotKind kind = SlotKind::passphrase;
  std::string name;
  UnixTimeNs created = 0;
};

// Fixed at creation, the same for all who write. docs/format.md 3.4.
using VaultParameters = format::KeyListParameters;

// What a client remembers of a vault so that storage cannot show it another or an older one. Kept by the caller
// between runs (os state folder); thread-compatible.
struct Pins {
  std::optional<VaultId> vault;       // From configuration, credential, recovery kit, else first use.
  uint64_t key_list_number = 0;       // Highest seen.
  ObjectId key_list_hash;
};

struct CreateOptions {
  std::optional<Credential> first_slot;          // Passphrase or private key.
  std::optional<crypto::PublicKey32> recipient;  // A slot for somebody's key. Neither: a key file is made and returned.
  crypto::KdfParameters kdf;
  VaultParameters parameters;
  std::string author_name;               // Host name of the creator.
  // Given the key file, if one is made, before there is a vault: whoever keeps it must have done so durably by then,
  // or a vault could be left that nobody opens. A failure makes no vault.
  std::function<Status(const crypto::SecretBytes& content)> keep_key_file;
};

// Uses the store it was made with, which must outlive it. Thread-compatible: readers may share it while nobody changes
// it. A change that meets somebody else's is made again on top of that; `busy` if that happens time and again.
class Keyring {
 public:
  // Makes keys/…1, by which the store becomes a vault. `conflict` if there is one. Yields the keyring and, besides the
  // slot asked for, nothing else: a recovery key is a slot of its own (add_recovery_key).
  struct Created;
  static Result<Created> create(store::ObjectStore& store, CreateOptions options, Rng& rng, Clock& clock);

  // Reads the newest key list, checks the chain of signatures against `pins` and opens what `credential` opens.
  // `not_found`: no vault here. `wrong_key`: no slot opens. `corrupt`: forged, rolled back, or another vault than
  // pinned. Updates `pins`. KDF parameters read from storage are bounded before anything is allocated.
  static Result<Keyring> open(store::ObjectStore& store, const Credential& credential, Pins& pins);
  // The same, by a listing that was taken just now.
  static Result<Keyring> open(store::ObjectStore& store, const store::Overview& seen, const Credential& credential,
                              Pins& pins);

  Keyring(Keyring&&) noexcept;
  Keyring& operator=(Keyring&&) noexcept;
  ~Keyring();

  // What to remember of the vault; after a change too.
  Pins pins() const;
  const VaultId& vault_id() const;
  const VaultParameters& parameters() const;
  UnixTimeNs created() const;
  uint64_t key_list_number() const;
  Role role() const;                              // Ours.
  DomainId home_domain() const;                   // Where our backups go: the owner's is own_domain.
  std::vector<DomainId> domains() const;          // That we hold metadata keys of.
  const DomainKeys* domain(DomainId id) const;    // Null if we do not.
  // `unsupported` if what a later version brought into the vault forbids writing to whoever does not know it, by the
  // newest key list that was read. Any thread.
  Status check_may_write() const;
  // Reads the newest key list if `seen` shows one that came since, for check_may_write(); no other key or author counts
  // for that. `unsupported` if nobody may read on without knowing what is new; else errors as of open(). Any thread.
  Status look_for_features(const store::Overview& seen) const;
  bool can_read_content(DomainId id) const;       // We hold its data private keys.
  const Author& self() const;
  const crypto::SigningKey& signing_key() const;
  // Whether no newer key list is stored: then nobody else is an author, and nothing is of another epoch.
  Result<bool> is_newest() const;
  // The author's current entry; null for the unlisted, whose objects are ignored with an alarm.
  const Author* author(const AuthorId& id) const;
  std::vector<Author> authors() const;
  std::vector<Slot> slots() const;

  // The rest is the owner's (`refused` otherwise). Each writes a new key list and, where something is removed, starts a
  // new epoch in the domains concerned and opens the new list once before it is announced (restic #3429).
  Result<uint32_t> add_passphrase(const crypto::SecretBytes& text, std::string name, const crypto::KdfParameters& kdf,
                                  Rng& rng, Clock& clock);
  Result<std::string> add_recovery_key(std::string name, Rng& rng, Clock& clock);  // Yields the text to keep safe.
  Result<uint32_t> add_recipient(const crypto::PublicKey32& key, std::string name, Rng& rng, Clock& clock);
  Result<crypto::SecretBytes> add_key_file(std::string name, Rng& rng, Clock& clock);  // Yields the file's content.
  // `refused` for the one that opened this keyring, and so for the last one: open the vault with another one first.
  Status remove_slot(uint32_t id, Rng& rng, Clock& clock);
  Status rotate(Rng& rng, Clock& clock);                    // New epoch in every domain, new root key.
  struct AgentOptions {
    std::string name;
    std::optional<DomainId> share_domain;  // None: a domain of its own.
    Role role = Role::agent;               // Or collector.
  };
  // Yields the content of the credential file that the agent's machine gets. It holds no key of the domain: the key
  // list grants those, sealed to a key in the credential, so that they follow the epochs until the agent is removed.
  Result<crypto::SecretBytes> add_agent(const AgentOptions& options, Rng& rng, Clock& clock);
  Status remove_agent(const AuthorId& id, Rng& rng, Clock& clock);

 private:
  struct Impl;
  explicit Keyring(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// Reads every key list from the first: signatures and links. Yields the keys and errors of those that are damaged.
struct KeyListDamage {
  std::string key;
  Error error;
};
Result<std::vector<KeyListDamage>> check_key_lists(store::ObjectStore& store, const VaultId& vault);

struct Keyring::Created {
  Keyring keyring;
  std::optional<crypto::SecretBytes> key_file;  // With CreateOptions::first_slot empty.
};

}  // namespace holdfast::vault
