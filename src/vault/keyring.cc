// SPDX-License-Identifier: Apache-2.0
#include "vault/keyring.h"

#include <algorithm>
#include <functional>

#include "base/check.h"
#include "base/mutex.h"
#include "base/newer.h"
#include "vault/credentials.h"
#include "vault/key_draft.h"
#include "vault/key_list_store.h"
#include "vault/key_state.h"

namespace holdfast::vault {

namespace {

// How often a change is made again on top of somebody else's before `busy`.
constexpr int change_attempts_max = 8;

using Edit = std::function<Status(KeyState& draft)>;

// Opens stored bytes in full, as a client that trusts nothing but their owner's signature.
Result<KeyState> reopen(ByteView bytes, const KeyHolder& holder) {
  SignedKeyList list = TRY(check_key_list(to_bytes(bytes)));
  const ByteView body = ByteView(list.bytes).first(list.bytes.size() - crypto::signature_size_bytes);
  format::KeyList decoded = TRY(format::decode_key_list(body));
  return open_key_state(std::move(list), std::move(decoded), holder);
}

Error cannot_open(const Error& error) {
  return Error(ErrorCode::internal, "the new key list would not open: " + error.message());
}

struct NewPassphrase {
  KeyHolder holder;
  NewSlot slot;
};
Result<NewPassphrase> make_passphrase(const crypto::SecretBytes& text, const crypto::KdfParameters& kdf,
                                      const VaultId& vault, std::string name, Rng& rng) {
  if (text.size() == 0) return Error(ErrorCode::invalid, "the passphrase is empty");
  NewPassphrase made;
  made.slot.kind = SlotKind::passphrase;
  made.slot.name = std::move(name);
  made.slot.kdf = kdf;
  rng.fill(made.slot.salt);
  made.holder.box_private = TRY(passphrase_private_key(text, made.slot.salt, kdf, vault));
  made.slot.public_key = crypto::box_public_key(made.holder.box_private);
  return made;
}

NewSlot slot_of(const KeyHolder& holder, SlotKind kind, std::string name) {
  NewSlot slot;
  slot.kind = kind;
  slot.name = std::move(name);
  slot.public_key = crypto::box_public_key(holder.box_private);
  return slot;
}

NewSlot recipient_slot(const crypto::PublicKey32& key, std::string name) {
  NewSlot slot;
  slot.kind = SlotKind::recipient;
  slot.name = std::move(name);
  slot.public_key = key;
  return slot;
}

// Puts the slots asked for into a new vault's draft. Yields who opens it from now on.
Result<KeyHolder> add_first_slots(KeyState& draft, CreateOptions& options, UnixTimeNs now, Rng& rng) {
  KeyHolder holder;
  if (options.recipient)
    TRY(add_slot(draft, recipient_slot(*options.recipient, "first"), now, rng));
  if (!options.first_slot && options.recipient) {
    holder.root_key = draft.root_key.clone();
    return holder;
  }
  if (!options.first_slot) {
    holder.box_private = crypto::Secret32::random(rng);
    TRY(add_slot(draft, slot_of(holder, SlotKind::key_file, "first"), now, rng));
    return holder;
  }
  if (const auto* key = std::get_if<PrivateKey>(&*options.first_slot)) {
    holder.box_private = key->key.clone();
    TRY(add_slot(draft, slot_of(holder, SlotKind::recipient, "first"), now, rng));
    return holder;
  }
  const auto* passphrase = std::get_if<Passphrase>(&*options.first_slot);
  if (!passphrase) return Error(ErrorCode::invalid, "a vault begins with a passphrase, a private key or a key file");
  NewPassphrase made = TRY(make_passphrase(passphrase->text, options.kdf, draft.stored.vault, "first", rng));
  TRY(add_slot(draft, made.slot, now, rng));
  return std::move(made.holder);
}

}  // namespace

const EpochKeys* DomainKeys::find(Epoch epoch) const {
  const auto at = std::ranges::lower_bound(epochs, epoch, {}, &EpochKeys::epoch);
  return at != epochs.end() && at->epoch == epoch ? &*at : nullptr;
}

bool Author::counts(DomainId log_domain, uint64_t number) const {
  if (domain != 0 && domain != log_domain) return false;
  if (!removed) return true;
  const auto at = std::ranges::lower_bound(last_records, log_domain, {}, &format::LogPosition::domain);
  return at != last_records.end() && at->domain == log_domain && number <= at->number;
}

struct Keyring::Impl {
  store::ObjectStore* store = nullptr;
  KeyHolder holder;
  KeyState state;

  Pins pins() const { return {state.stored.vault, state.list.header.number, state.stored.hash}; }
  Status must_be_owner() const {
    if (state.role == Role::owner) return {};
    return Error(ErrorCode::refused, "only the owner may change keys")
        .with_hint("Open the vault with a passphrase, recovery key or key file of its owner.");
  }
  // The newest list that was looked at and what it brought; ours until a newer one came.
  Mutex looked_at_mutex;
  Pins looked_at GUARDED_BY(looked_at_mutex);
  std::vector<uint64_t> later_features GUARDED_BY(looked_at_mutex);

  // Makes, proves and stores the next list. `newcomer`, if any, must be able to open it too.
  Status change(Rng& rng, Clock& clock, const KeyHolder* newcomer, const Edit& edit);
  Status check_may_write() EXCLUDES(looked_at_mutex);
  Status look_for_features(const store::Overview& seen) EXCLUDES(looked_at_mutex);
  Status store_next(ByteView bytes, KeyHolder next_holder, const KeyHolder* newcomer);
  Status catch_up();
  format::KeyListPin pin() const { return {state.list.header.number, state.stored.hash}; }
};

Status Keyring::Impl::check_may_write() {
  const MutexLock lock(looked_at_mutex);
  const auto& ours = state.list.unknown_features;  // Features are never taken out again.
  const auto& features = ours.empty() ? later_features : ours;
  if (features.empty()) return {};
  const std::string number = std::to_string(features.front());
  return made_by_newer("feature " + number + " of the vault, which can only be read");
}

Status Keyring::Impl::look_for_features(const store::Overview& seen) {
  const MutexLock lock(looked_at_mutex);
  if (looked_at.key_list_number < state.list.header.number) looked_at = pins();
  const auto list = TRY(read_newer_key_list(*store, seen, looked_at));
  if (!list) return {};
  const ByteView body = ByteView(list->bytes).first(list->bytes.size() - crypto::signature_size_bytes);
  later_features = TRY(format::decode_key_list(body)).unknown_features;
  looked_at = {list->vault, list->header.number, list->hash};
  return {};
}

Status Keyring::Impl::store_next(ByteView bytes, KeyHolder next_holder, const KeyHolder* newcomer) {
  // A list that locks out its own maker or the one it was made for is never stored.
  auto next = reopen(bytes, next_holder);
  if (!next) return cannot_open(next.error());
  if (newcomer) {
    const auto proof = reopen(bytes, *newcomer);
    if (!proof) return cannot_open(proof.error());
  }
  TRY_DO(create_key_list(*store, next->list.header.number, bytes));
  state = *std::move(next);
  holder = std::move(next_holder);
  return {};
}

Status Keyring::Impl::catch_up() {
  const SignedKeyList newest = TRY(read_newest_key_list(*store, store::Overview(*store), pins()));
  state = TRY(reopen(newest.bytes, holder));
  return {};
}

Status Keyring::Impl::change(Rng& rng, Clock& clock, const KeyHolder* newcomer, const Edit& edit) {
  TRY_DO(must_be_owner());
  TRY_DO(check_may_write());
  for (int attempt = 0; attempt < change_attempts_max; ++attempt) {
    KeyState draft = TRY(reopen(state.stored.bytes, holder));
    TRY_DO(edit(draft));
    const Bytes bytes = TRY(finish_draft(draft, clock.now(), rng));
    KeyHolder next_holder = holder.clone();
    if (!holder.root_key.is_none()) next_holder.root_key = draft.root_key.clone();
    Status stored = store_next(bytes, std::move(next_holder), newcomer);
    if (stored || stored.error().code() != ErrorCode::conflict) return stored;
    TRY_DO(catch_up());
    TRY_DO(check_may_write());
  }
  return Error(ErrorCode::busy, "others keep changing the keys of the vault");
}

Keyring::Keyring(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Keyring::Keyring(Keyring&&) noexcept = default;
Keyring& Keyring::operator=(Keyring&&) noexcept = default;
Keyring::~Keyring() = default;

Result<Keyring::Created> Keyring::create(store::ObjectStore& store, CreateOptions options, Rng& rng, Clock& clock) {
  TRY_DO(format::check_key_list_parameters(options.parameters));
  const UnixTimeNs now = clock.now();
  KeyState draft = start_draft(options.parameters, now, rng);
  auto impl = std::make_unique<Impl>();
  impl->store = &store;
  impl->holder = TRY(add_first_slots(draft, options, now, rng));
  TRY(add_domain(draft, "vault", rng));
  TRY_DO(name_owner(draft, options.author_name, rng));
  const Bytes bytes = TRY(finish_draft(draft, now, rng));
  std::optional<crypto::SecretBytes> key_file;
  if (!options.first_slot && !options.recipient) {
    impl->state = TRY(reopen(bytes, impl->holder));
    key_file = format::encode_key_file(
        {"first", impl->state.stored.vault, impl->holder.box_private.clone(), impl->pin()});
    if (options.keep_key_file) TRY_DO(options.keep_key_file(*key_file));
  }
  TRY_DO(impl->store_next(bytes, impl->holder.clone(), nullptr));
  return Created{Keyring(std::move(impl)), std::move(key_file)};
}

Result<Keyring> Keyring::open(store::ObjectStore& store, const Credential& credential, Pins& pins) {
  return open(store, store::Overview(store), credential, pins);
}

Result<Keyring> Keyring::open(store::ObjectStore& store, const store::Overview& seen, const Credential& credential,
                              Pins& pins) {
  const Pins known = TRY(pins_with(credential, pins));
  SignedKeyList newest = TRY(read_newest_key_list(store, seen, known));
  const ByteView body = ByteView(newest.bytes).first(newest.bytes.size() - crypto::signature_size_bytes);
  format::KeyList list = TRY(format::decode_key_list(body));
  auto impl = std::make_unique<Impl>();
  impl->store = &store;
  impl->holder = TRY(find_holder(credential, newest.vault, list));
  impl->state = TRY(open_key_state(std::move(newest), std::move(list), impl->holder));
  pins = impl->pins();
  return Keyring(std::move(impl));
}

Pins Keyring::pins() const { return impl_->pins(); }
const VaultId& Keyring::vault_id() const { return impl_->state.stored.vault; }
const VaultParameters& Keyring::parameters() const { return impl_->state.list.parameters; }
UnixTimeNs Keyring::created() const { return impl_->state.list.created; }
uint64_t Keyring::key_list_number() const { return impl_->state.list.header.number; }
Result<bool> Keyring::is_newest() const {
  store::ObjectStore& store = *impl_->store;
  return TRY(read_newest_key_list(store, store::Overview(store), pins())).header.number == key_list_number();
}
Role Keyring::role() const { return impl_->state.role; }
DomainId Keyring::home_domain() const { return self().domain == 0 ? own_domain : self().domain; }

std::vector<DomainId> Keyring::domains() const {
  std::vector<DomainId> ids;
  for (const DomainKeys& keys : impl_->state.domains) ids.push_back(keys.domain);
  return ids;
}
const DomainKeys* Keyring::domain(DomainId id) const { return impl_->state.domain(id); }
Status Keyring::check_may_write() const { return impl_->check_may_write(); }
Status Keyring::look_for_features(const store::Overview& seen) const { return impl_->look_for_features(seen); }
bool Keyring::can_read_content(DomainId id) const {
  const DomainKeys* keys = domain(id);
  return keys && keys->current().data_private.has_value();
}
const Author& Keyring::self() const { return impl_->state.authors[impl_->state.self]; }
const crypto::SigningKey& Keyring::signing_key() const { return *impl_->state.signing_key; }
const Author* Keyring::author(const AuthorId& id) const {
  return static_cast<const KeyState&>(impl_->state).author(id);
}
std::vector<Author> Keyring::authors() const { return impl_->state.authors; }
std::vector<Slot> Keyring::slots() const { return impl_->state.slots; }

Result<uint32_t> Keyring::add_passphrase(const crypto::SecretBytes& text, std::string name,
                                         const crypto::KdfParameters& kdf, Rng& rng, Clock& clock) {
  TRY_DO(impl_->must_be_owner());
  const NewPassphrase made = TRY(make_passphrase(text, kdf, vault_id(), std::move(name), rng));
  uint32_t id = 0;
  TRY_DO(impl_->change(rng, clock, &made.holder, [&](KeyState& draft) -> Status {
    id = TRY(add_slot(draft, made.slot, clock.now(), rng));
    return {};
  }));
  return id;
}

Result<std::string> Keyring::add_recovery_key(std::string name, Rng& rng, Clock& clock) {
  format::RecoveryText recovery;
  recovery.secret = crypto::SecretBytes(format::RecoveryText::secret_size_bytes);
  rng.fill(recovery.secret.mutable_view());
  std::ranges::copy(vault_id().view().first(recovery.vault.size()), recovery.vault.begin());
  const KeyHolder holder{recovery_private_key(recovery.secret, vault_id()), {}, {}};
  const NewSlot slot = slot_of(holder, SlotKind::recovery, std::move(name));
  TRY_DO(impl_->change(rng, clock, &holder, [&](KeyState& draft) -> Status {
    TRY(add_slot(draft, slot, clock.now(), rng));
    return {};
  }));
  return format::encode_recovery_text(recovery);
}

Result<uint32_t> Keyring::add_recipient(const crypto::PublicKey32& key, std::string name, Rng& rng, Clock& clock) {
  const NewSlot slot = recipient_slot(key, std::move(name));
  uint32_t id = 0;
  TRY_DO(impl_->change(rng, clock, nullptr, [&](KeyState& draft) -> Status {
    id = TRY(add_slot(draft, slot, clock.now(), rng));
    return {};
  }));
  return id;
}

Result<crypto::SecretBytes> Keyring::add_key_file(std::string name, Rng& rng, Clock& clock) {
  const KeyHolder holder{crypto::Secret32::random(rng), {}, {}};
  const NewSlot slot = slot_of(holder, SlotKind::key_file, name);
  TRY_DO(impl_->change(rng, clock, &holder, [&](KeyState& draft) -> Status {
    TRY(add_slot(draft, slot, clock.now(), rng));
    return {};
  }));
  return format::encode_key_file({std::move(name), vault_id(), holder.box_private.clone(), impl_->pin()});
}

namespace {

// Nothing that is written from here on opens to anybody who is not in this list.
Status start_epochs(KeyState& draft, Rng& rng) {
  for (size_t at = 0; at < draft.domains.size(); ++at) TRY_DO(start_epoch(draft, draft.domains[at].domain, rng));
  return {};
}

}  // namespace

Status Keyring::remove_slot(uint32_t id, Rng& rng, Clock& clock) {
  return impl_->change(rng, clock, nullptr, [&](KeyState& draft) -> Status {
    if (id == draft.slot)
      return Error(ErrorCode::refused, "slot " + std::to_string(id) + " is the one that opened the vault")
          .with_hint("Open the vault with another key to remove this one; add one first if there is none.");
    TRY_DO(drop_slot(draft, id));
    TRY_DO(replace_root_key(draft, rng));
    return start_epochs(draft, rng);
  });
}

Status Keyring::rotate(Rng& rng, Clock& clock) {
  return impl_->change(rng, clock, nullptr, [&](KeyState& draft) -> Status {
    TRY_DO(replace_root_key(draft, rng));
    return start_epochs(draft, rng);
  });
}

Result<crypto::SecretBytes> Keyring::add_agent(const AgentOptions& options, Rng& rng, Clock& clock) {
  if (options.role == Role::owner) return Error(ErrorCode::invalid, "an agent cannot be an owner");
  if (options.role == Role::collector && options.share_domain)
    return Error(ErrorCode::invalid, "a collector belongs to no domain");
  const crypto::SigningKey signing_key = crypto::SigningKey::generate(rng);
  const KeyHolder holder{crypto::Secret32::random(rng), signing_key.clone(), {}};
  NewAuthor author{.key = signing_key.public_key(), .box_key = crypto::box_public_key(holder.box_private),
                   .role = options.role, .domain = 0, .name = options.name};
  TRY_DO(impl_->change(rng, clock, &holder, [&](KeyState& draft) -> Status {
    if (options.share_domain && !draft.domain(*options.share_domain))
      return Error(ErrorCode::not_found, "there is no domain " + std::to_string(*options.share_domain));
    if (options.share_domain) {
      author.domain = *options.share_domain;
    } else if (options.role == Role::agent) {
      author.domain = TRY(add_domain(draft, options.name, rng));
    }
    return add_author(draft, author, rng);
  }));
  format::AgentCredentialText text;
  text.name = options.name;
  text.role = static_cast<format::AuthorRole>(options.role);
  text.vault = vault_id();
  text.domain = author.domain;
  text.signing_seed = signing_key.seed().clone();
  text.box_private_key = holder.box_private.clone();
  text.pin = impl_->pin();
  return format::encode_agent_credential(text);
}

Status Keyring::remove_agent(const AuthorId& id, Rng& rng, Clock& clock) {
  return impl_->change(rng, clock, nullptr, [&](KeyState& draft) -> Status {
    const Author* author = draft.author(id);
    const bool is_agent = author && author->role == Role::agent;
    std::vector<DomainId> written;
    if (is_agent) written.push_back(author->domain);
    else for (const DomainKeys& keys : draft.domains) written.push_back(keys.domain);
    TRY_DO(drop_author(draft, id, TRY(read_log_ends(*impl_->store, written))));
    if (is_agent) return start_epoch(draft, written.front(), rng);
    TRY_DO(replace_collector_key(draft, rng));
    return start_epochs(draft, rng);
  });
}

}  // namespace holdfast::vault
