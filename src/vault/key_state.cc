// SPDX-License-Identifier: Apache-2.0
#include "vault/key_state.h"

#include <algorithm>

#include "base/byte_io.h"
#include "crypto/hash.h"
#include "format/key_secrets.h"

namespace holdfast::vault {

namespace {

template <class... Numbers>
Bytes context_of(std::string_view what, const VaultId& vault, Numbers... numbers) {
  Bytes bytes;
  ByteWriter out(bytes);
  out.string(what);
  out.raw(vault.view());
  (out.fixed(numbers), ...);
  return bytes;
}

Error mismatch(std::string_view what) { return Error(ErrorCode::corrupt, "key list: " + std::string(what)); }

// What opens must have been made for us: a seal that does not fit is damage here, not a wrong key.
template <class T>
Result<T> as_damage(Result<T> opened, std::string_view what) {
  if (!opened) return mismatch(std::string(what) + " does not open");
  return opened;
}

Result<crypto::Secret32> as_key(const crypto::SecretBytes& bytes) {
  if (bytes.size() != crypto::Secret32::size_bytes) return mismatch("a sealed key has the wrong size");
  return crypto::Secret32::from(bytes.view());
}

Status name_authors(KeyState& state, const std::vector<format::AuthorName>& names) {
  for (const format::AuthorName& name : names) {
    const auto at = std::ranges::lower_bound(state.authors, AuthorId{name.author}, {}, &Author::id);
    if (at == state.authors.end() || at->id != AuthorId{name.author}) return mismatch("name of an unknown author");
    at->name = name.name;
  }
  return {};
}

// Completes `keys`, whose only epoch so far is the current one, from the domain's area.
Status open_area(KeyState& state, const format::KeyListDomain& domain, DomainKeys& keys,
                 crypto::Secret32 metadata_key) {
  const Bytes context = area_context(state.stored.vault, domain.id, domain.epoch);
  const auto plain = TRY(as_damage(crypto::open_with(metadata_key, context, domain.area), "a domain's area"));
  format::DomainArea area = TRY(format::decode_domain_area(plain.view()));
  if (area.data_public.size() != domain.epoch) return mismatch("a domain's area is of another epoch");
  keys.domain = domain.id;
  keys.name = std::move(area.name);
  keys.epochs.resize(domain.epoch);
  for (Epoch epoch = 1; epoch <= domain.epoch; ++epoch) {
    EpochKeys& of_epoch = keys.epochs[epoch - 1];
    of_epoch.epoch = epoch;
    of_epoch.data_public = area.data_public[epoch - 1];
    if (epoch < domain.epoch) of_epoch.metadata_key = std::move(area.earlier_metadata_keys[epoch - 1]);
  }
  keys.epochs.back().metadata_key = std::move(metadata_key);
  return name_authors(state, area.author_names);
}

Status open_owner_domains(KeyState& state, format::OwnerSecrets& secrets) {
  if (secrets.domains.size() != state.list.domains.size()) return mismatch("owner secrets do not fit the domains");
  state.domains.resize(secrets.domains.size());
  for (size_t at = 0; at < secrets.domains.size(); ++at) {
    const format::KeyListDomain& domain = state.list.domains[at];
    format::DomainSecrets& from = secrets.domains[at];
    DomainKeys& keys = state.domains[at];
    if (from.domain != domain.id || from.data_private.size() != domain.epoch)
      return mismatch("owner secrets do not fit the domains");
    keys.id_key = std::move(from.id_key);
    keys.cutter_key = std::move(from.cutter_key);
    TRY_DO(open_area(state, domain, keys, std::move(from.metadata_key)));
    for (size_t epoch = 0; epoch < keys.epochs.size(); ++epoch)
      keys.epochs[epoch].data_private = std::move(from.data_private[epoch]);
  }
  return {};
}

Status open_slot(KeyState& state, const KeyHolder& holder) {
  const auto ours = crypto::box_public_key(holder.box_private);
  const auto slot = std::ranges::find(state.list.slots, ours, &format::KeyListSlot::public_key);
  if (slot == state.list.slots.end()) return Error(ErrorCode::wrong_key, "no slot of the vault is for this key");
  const Bytes context = slot_context(state.stored.vault, slot->id, state.list.root_epoch);
  const auto root = TRY(as_damage(crypto::open_box(holder.box_private, context, slot->sealed_root), "a slot"));
  state.root_key = TRY(as_key(root));
  state.slot = slot->id;
  return {};
}

Status open_as_owner(KeyState& state) {
  const VaultId& vault = state.stored.vault;
  const auto plain = TRY(as_damage(crypto::open_with(owner_secrets_key(state.root_key),
                                                     owner_secrets_context(vault, state.list.header.number),
                                                     state.list.owner_secrets),
                                   "the owner's part"));
  format::OwnerSecrets secrets = TRY(format::decode_owner_secrets(plain.view()));
  state.signing_key = crypto::SigningKey::from_seed(secrets.owner_seed);
  if (state.signing_key->public_key() != state.list.header.owner) return mismatch("the owner's key is another");
  state.role = Role::owner;
  state.collector_key = std::move(secrets.collector_key);
  for (const format::SlotName& name : secrets.slot_names) {
    const auto at = std::ranges::find(state.slots, name.slot, &Slot::id);
    if (at == state.slots.end()) return mismatch("name of an unknown slot");
    at->name = name.name;
  }
  return open_owner_domains(state, secrets);
}

Status open_as_agent(KeyState& state, const format::KeyListAuthor& author, const crypto::SecretBytes& plain) {
  format::AgentGrant grant = TRY(format::decode_agent_grant(plain.view()));
  const auto domain = std::ranges::lower_bound(state.list.domains, author.domain, {}, &format::KeyListDomain::id);
  DomainKeys& keys = state.domains.emplace_back();
  keys.id_key = std::move(grant.id_key);
  keys.cutter_key = std::move(grant.cutter_key);
  return open_area(state, *domain, keys, std::move(grant.metadata_key));
}

Status open_as_collector(KeyState& state, const crypto::SecretBytes& plain) {
  state.collector_key = TRY(as_key(plain));
  state.domains.reserve(state.list.domains.size());
  for (const format::KeyListDomain& domain : state.list.domains) {
    const Bytes context = collector_context(state.stored.vault, domain.id, domain.epoch);
    const auto key = TRY(as_damage(crypto::open_with(state.collector_key, context, domain.collector_seal),
                                   "a domain's key for collectors"));
    TRY_DO(open_area(state, domain, state.domains.emplace_back(), TRY(as_key(key))));
  }
  return {};
}

Status open_as_author(KeyState& state, const KeyHolder& holder) {
  const crypto::SigningPublicKey& key = holder.signing_key->public_key();
  const auto author = std::ranges::lower_bound(state.list.authors, key, {}, &format::KeyListAuthor::verify_key);
  if (author == state.list.authors.end() || author->verify_key != key || author->role == format::AuthorRole::owner)
    return Error(ErrorCode::wrong_key, "the credential is of no agent of this vault");
  if (author->removed)
    return Error(ErrorCode::wrong_key, "the agent was removed from the vault")
        .with_hint("Ask the vault's owner for a new credential (holdfast key agent).");
  state.signing_key = holder.signing_key->clone();
  state.role = static_cast<Role>(author->role);
  const Bytes context = grant_context(state.stored.vault, author_id_of(key));
  const auto plain = TRY(as_damage(crypto::open_box(holder.box_private, context, author->grant), "an agent's grant"));
  return state.role == Role::agent ? open_as_agent(state, *author, plain) : open_as_collector(state, plain);
}

Status list_authors(KeyState& state) {
  state.authors.reserve(state.list.authors.size());
  for (const format::KeyListAuthor& from : state.list.authors) {
    Author& author = state.authors.emplace_back();
    author.id = author_id_of(from.verify_key);
    author.public_key = from.verify_key;
    author.role = static_cast<Role>(from.role);
    author.domain = from.domain;
    author.removed = from.removed;
    author.last_records = from.last_records;
  }
  std::ranges::sort(state.authors, {}, &Author::id);
  if (std::ranges::adjacent_find(state.authors, {}, &Author::id) != state.authors.end())
    return mismatch("two authors with one id");
  return {};
}

}  // namespace

Bytes slot_context(const VaultId& vault, uint32_t slot, uint32_t root_epoch) {
  return context_of("holdfast v1 slot", vault, slot, root_epoch);
}
Bytes owner_secrets_context(const VaultId& vault, uint64_t number) {
  return context_of("holdfast v1 owner secrets", vault, number);
}
Bytes collector_context(const VaultId& vault, DomainId domain, Epoch epoch) {
  return context_of("holdfast v1 collector seal", vault, domain, epoch);
}
Bytes area_context(const VaultId& vault, DomainId domain, Epoch epoch) {
  return context_of("holdfast v1 domain area", vault, domain, epoch);
}
Bytes grant_context(const VaultId& vault, const AuthorId& author) {
  Bytes context = context_of("holdfast v1 grant", vault);
  context.insert(context.end(), author.value.begin(), author.value.end());
  return context;
}

crypto::Secret32 owner_secrets_key(const crypto::Secret32& root_key) {
  const std::array<ByteView, 1> parts{root_key.view()};
  return crypto::derive_key("holdfast v1 owner secrets key", parts);
}

VaultId vault_id_of(const crypto::SigningPublicKey& owner) {
  VaultId id;
  const std::array<ByteView, 1> parts{owner.view()};
  crypto::derive_bytes("holdfast v1 vault id", parts, id.value);
  return id;
}

AuthorId author_id_of(const crypto::SigningPublicKey& key) {
  AuthorId id;
  const std::array<ByteView, 1> parts{key.view()};
  crypto::derive_bytes("holdfast v1 author id", parts, id.value);
  return id;
}

KeyHolder KeyHolder::clone() const {
  KeyHolder copy{box_private.clone(), std::nullopt, root_key.clone()};
  if (signing_key) copy.signing_key = signing_key->clone();
  return copy;
}

Result<SignedKeyList> check_key_list(Bytes bytes) {
  if (bytes.size() < crypto::signature_size_bytes) return mismatch("truncated");
  const ByteView all(bytes);
  const ByteView body = all.first(all.size() - crypto::signature_size_bytes);
  SignedKeyList list;
  list.header = TRY(format::decode_key_list_header(body));
  TRY_DO(crypto::verify(list.header.owner, key_list_signature_context, body,
                        all.last(crypto::signature_size_bytes))
             .during("key list"));
  list.hash = ObjectId::from(crypto::hash(all));
  list.vault = vault_id_of(list.header.owner);
  list.bytes = std::move(bytes);
  return list;
}

const Author* KeyState::author(const AuthorId& id) const {
  const auto at = std::ranges::lower_bound(authors, id, {}, &Author::id);
  return at != authors.end() && at->id == id ? &*at : nullptr;
}

DomainKeys* KeyState::domain(DomainId id) {
  const auto at = std::ranges::lower_bound(domains, id, {}, &DomainKeys::domain);
  return at != domains.end() && at->domain == id ? &*at : nullptr;
}

Result<KeyState> open_key_state(SignedKeyList stored, format::KeyList list, const KeyHolder& holder) {
  KeyState state;
  state.stored = std::move(stored);
  state.list = std::move(list);
  for (const format::KeyListSlot& slot : state.list.slots)
    state.slots.push_back({slot.id, slot.kind, {}, slot.created});
  TRY_DO(list_authors(state));
  if (holder.signing_key) {
    TRY_DO(open_as_author(state, holder));
  } else {
    if (holder.root_key.is_none()) {
      TRY_DO(open_slot(state, holder));
    } else {
      state.root_key = holder.root_key.clone();
    }
    TRY_DO(open_as_owner(state));
  }
  const Author* self = state.author(author_id_of(state.signing_key->public_key()));
  state.self = static_cast<size_t>(self - state.authors.data());
  return state;
}

}  // namespace holdfast::vault
