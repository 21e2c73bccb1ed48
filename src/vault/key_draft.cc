// SPDX-License-Identifier: Apache-2.0
#include "vault/key_draft.h"

#include <algorithm>

#include "base/byte_io.h"
#include "base/check.h"
#include "format/key_secrets.h"

namespace holdfast::vault {

namespace {

void put_sealed(ByteView sealed, format::SealedKey& out) {
  CHECK(sealed.size() == out.size());
  std::ranges::copy(sealed, out.begin());
}

format::KeyListDomain& stored_domain(KeyState& draft, DomainId id) {
  const auto at = std::ranges::lower_bound(draft.list.domains, id, {}, &format::KeyListDomain::id);
  CHECK(at != draft.list.domains.end() && at->id == id);
  return *at;
}

// Where an author's name is kept: those of no domain stand with the vault's own.
DomainId name_domain(DomainId author_domain) { return author_domain == 0 ? own_domain : author_domain; }

Status seal_slot(KeyState& draft, format::KeyListSlot& slot, Rng& rng) {
  const Bytes context = slot_context(draft.stored.vault, slot.id, draft.list.root_epoch);
  put_sealed(TRY(crypto::seal_to(slot.public_key, context, draft.root_key.view(), rng)), slot.sealed_root);
  return {};
}

void seal_for_collectors(KeyState& draft, const DomainKeys& keys, format::KeyListDomain& stored, Rng& rng) {
  const Bytes context = collector_context(draft.stored.vault, stored.id, stored.epoch);
  put_sealed(crypto::seal_with(draft.collector_key, context, keys.current().metadata_key.view(), rng),
             stored.collector_seal);
}

void seal_area(KeyState& draft, DomainId domain, Rng& rng) {
  const DomainKeys& keys = *draft.domain(domain);
  format::KeyListDomain& stored = stored_domain(draft, domain);
  format::DomainArea area;
  area.name = keys.name;
  for (const EpochKeys& epoch : keys.epochs) {
    area.data_public.push_back(epoch.data_public);
    if (epoch.epoch != keys.current().epoch) area.earlier_metadata_keys.push_back(epoch.metadata_key.clone());
  }
  for (const Author& author : draft.authors)
    if (name_domain(author.domain) == domain && !author.name.empty())
      area.author_names.push_back({author.id.value, author.name});
  const crypto::SecretBytes plain = format::encode_domain_area(area);
  const Bytes context = area_context(draft.stored.vault, domain, stored.epoch);
  stored.area = crypto::seal_with(keys.current().metadata_key, context, plain.view(), rng);
}

Status seal_grant(KeyState& draft, format::KeyListAuthor& author, Rng& rng) {
  const Bytes context = grant_context(draft.stored.vault, author_id_of(author.verify_key));
  if (author.role == format::AuthorRole::collector) {
    author.grant = TRY(crypto::seal_to(author.box_key, context, draft.collector_key.view(), rng));
    return {};
  }
  const DomainKeys& keys = *draft.domain(author.domain);
  const format::AgentGrant grant{keys.id_key.clone(), keys.cutter_key.clone(), keys.current().metadata_key.clone()};
  author.grant = TRY(crypto::seal_to(author.box_key, context, format::encode_agent_grant(grant).view(), rng));
  return {};
}

void push_epoch(DomainKeys& keys, Rng& rng) {
  EpochKeys& epoch = keys.epochs.emplace_back();
  epoch.epoch = static_cast<Epoch>(keys.epochs.size());
  epoch.metadata_key = crypto::Secret32::random(rng);
  crypto::BoxKeyPair data = crypto::generate_box_keypair(rng);
  epoch.data_public = data.public_key;
  epoch.data_private = std::move(data.private_key);
}

void insert_author(KeyState& draft, const NewAuthor& author) {
  format::KeyListAuthor stored;
  stored.verify_key = author.key;
  stored.role = static_cast<format::AuthorRole>(author.role);
  stored.domain = author.domain;
  stored.box_key = author.box_key;
  auto& list = draft.list.authors;
  list.insert(std::ranges::lower_bound(list, author.key, {}, &format::KeyListAuthor::verify_key), std::move(stored));
  Author opened;
  opened.id = author_id_of(author.key);
  opened.public_key = author.key;
  opened.role = author.role;
  opened.domain = author.domain;
  opened.name = author.name;
  auto& authors = draft.authors;
  authors.insert(std::ranges::lower_bound(authors, opened.id, {}, &Author::id), std::move(opened));
}

void seal_owner_secrets(KeyState& draft, Rng& rng) {
  format::OwnerSecrets secrets;
  secrets.owner_seed = draft.signing_key->seed().clone();
  secrets.collector_key = draft.collector_key.clone();
  for (const Slot& slot : draft.slots) secrets.slot_names.push_back({slot.id, slot.name});
  for (const DomainKeys& keys : draft.domains) {
    format::DomainSecrets& domain = secrets.domains.emplace_back();
    domain.domain = keys.domain;
    domain.id_key = keys.id_key.clone();
    domain.cutter_key = keys.cutter_key.clone();
    domain.metadata_key = keys.current().metadata_key.clone();
    for (const EpochKeys& epoch : keys.epochs) domain.data_private.push_back(epoch.data_private->clone());
  }
  const Bytes context = owner_secrets_context(draft.stored.vault, draft.list.header.number);
  draft.list.owner_secrets = crypto::seal_with(owner_secrets_key(draft.root_key), context,
                                               format::encode_owner_secrets(secrets).view(), rng);
}

}  // namespace

KeyState start_draft(const format::KeyListParameters& parameters, UnixTimeNs now, Rng& rng) {
  KeyState draft;
  draft.signing_key = crypto::SigningKey::generate(rng);
  draft.role = Role::owner;
  draft.root_key = crypto::Secret32::random(rng);
  draft.collector_key = crypto::Secret32::random(rng);
  const crypto::SigningPublicKey& owner = draft.signing_key->public_key();
  draft.stored.vault = vault_id_of(owner);
  draft.list.header.owner = owner;
  draft.list.created = now;
  draft.list.parameters = parameters;
  draft.list.root_epoch = 1;
  draft.list.slot_id_next = 1;
  draft.list.domain_id_next = own_domain;
  insert_author(draft, {.key = owner, .box_key = {}, .role = Role::owner, .domain = 0, .name = {}});
  return draft;
}

Result<uint32_t> add_slot(KeyState& draft, const NewSlot& slot, UnixTimeNs now, Rng& rng) {
  TRY_DO(format::check_key_name(slot.name));
  auto& slots = draft.list.slots;
  if (slots.size() >= format::key_list_slots_max) return Error(ErrorCode::refused, "a vault has at most 64 slots");
  if (std::ranges::find(slots, slot.public_key, &format::KeyListSlot::public_key) != slots.end())
    return Error(ErrorCode::conflict, "there is a slot for this key");
  format::KeyListSlot stored;
  stored.id = draft.list.slot_id_next++;
  stored.kind = slot.kind;
  stored.created = now;
  stored.public_key = slot.public_key;
  stored.salt = slot.salt;
  stored.kdf = slot.kdf;
  TRY_DO(seal_slot(draft, stored, rng));
  draft.slots.push_back({stored.id, stored.kind, slot.name, now});
  slots.push_back(stored);
  return stored.id;
}

Status drop_slot(KeyState& draft, uint32_t id) {
  const auto has_id = [&](const auto& slot) { return slot.id == id; };
  if (std::ranges::none_of(draft.list.slots, has_id))
    return Error(ErrorCode::not_found, "there is no slot " + std::to_string(id));
  if (draft.list.slots.size() == 1) return Error(ErrorCode::refused, "a vault cannot be without a slot");
  std::erase_if(draft.list.slots, has_id);
  std::erase_if(draft.slots, has_id);
  return {};
}

Result<DomainId> add_domain(KeyState& draft, std::string name, Rng& rng) {
  TRY_DO(format::check_key_name(name));
  if (draft.domains.size() >= format::key_list_domains_max)
    return Error(ErrorCode::refused, "a vault has at most 65536 domains");
  format::KeyListDomain& stored = draft.list.domains.emplace_back();
  stored.id = draft.list.domain_id_next++;
  stored.epoch = 1;
  DomainKeys& keys = draft.domains.emplace_back();
  keys.domain = stored.id;
  keys.name = std::move(name);
  keys.id_key = crypto::Secret32::random(rng);
  keys.cutter_key = crypto::Secret32::random(rng);
  push_epoch(keys, rng);
  seal_for_collectors(draft, keys, stored, rng);
  seal_area(draft, keys.domain, rng);
  return keys.domain;
}

Status add_author(KeyState& draft, const NewAuthor& author, Rng& rng) {
  TRY_DO(format::check_key_name(author.name));
  if (draft.authors.size() >= format::key_list_authors_max)
    return Error(ErrorCode::refused, "a vault has at most 65536 authors");
  if (draft.author(author_id_of(author.key))) return Error(ErrorCode::conflict, "there is an author with this key");
  insert_author(draft, author);
  const auto stored = std::ranges::lower_bound(draft.list.authors, author.key, {}, &format::KeyListAuthor::verify_key);
  TRY_DO(seal_grant(draft, *stored, rng));
  seal_area(draft, name_domain(author.domain), rng);
  return {};
}

Status drop_author(KeyState& draft, const AuthorId& id, std::vector<format::LogPosition> last_records) {
  const auto author = std::ranges::find(draft.authors, id, &Author::id);
  if (author == draft.authors.end()) return Error(ErrorCode::not_found, "there is no author " + to_hex(id));
  if (author->role == Role::owner) return Error(ErrorCode::refused, "the owner cannot be removed");
  if (author->removed) return Error(ErrorCode::refused, "author " + to_hex(id) + " was removed before");
  author->removed = true;
  author->last_records = last_records;
  const auto stored =
      std::ranges::lower_bound(draft.list.authors, author->public_key, {}, &format::KeyListAuthor::verify_key);
  stored->removed = true;
  stored->grant.clear();
  stored->last_records = std::move(last_records);
  return {};
}

Status name_owner(KeyState& draft, std::string name, Rng& rng) {
  TRY_DO(format::check_key_name(name));
  std::ranges::find(draft.authors, Role::owner, &Author::role)->name = std::move(name);
  seal_area(draft, own_domain, rng);
  return {};
}

Status replace_root_key(KeyState& draft, Rng& rng) {
  draft.root_key = crypto::Secret32::random(rng);
  ++draft.list.root_epoch;
  for (format::KeyListSlot& slot : draft.list.slots) TRY_DO(seal_slot(draft, slot, rng));
  return replace_collector_key(draft, rng);
}

Status replace_collector_key(KeyState& draft, Rng& rng) {
  draft.collector_key = crypto::Secret32::random(rng);
  for (const DomainKeys& keys : draft.domains)
    seal_for_collectors(draft, keys, stored_domain(draft, keys.domain), rng);
  for (format::KeyListAuthor& author : draft.list.authors)
    if (author.role == format::AuthorRole::collector && !author.removed) TRY_DO(seal_grant(draft, author, rng));
  return {};
}

Status start_epoch(KeyState& draft, DomainId domain, Rng& rng) {
  DomainKeys& keys = *draft.domain(domain);
  format::KeyListDomain& stored = stored_domain(draft, domain);
  if (stored.epoch >= format::key_list_epoch_max) return Error(ErrorCode::refused, "a domain has at most 65535 epochs");
  push_epoch(keys, rng);
  stored.epoch = keys.current().epoch;
  seal_for_collectors(draft, keys, stored, rng);
  seal_area(draft, domain, rng);
  for (format::KeyListAuthor& author : draft.list.authors)
    if (author.role == format::AuthorRole::agent && author.domain == domain && !author.removed)
      TRY_DO(seal_grant(draft, author, rng));
  return {};
}

Result<Bytes> finish_draft(KeyState& draft, UnixTimeNs now, Rng& rng) {
  draft.list.header.number += 1;
  draft.list.header.previous = draft.stored.hash;
  draft.list.written = now;
  seal_owner_secrets(draft, rng);
  Bytes bytes = format::encode_key_list(draft.list);
  if (bytes.size() > format::key_list_size_bytes_max)
    return Error(ErrorCode::refused, "the key list would be larger than 16 MiB");
  const crypto::Signature signature = draft.signing_key->sign(key_list_signature_context, bytes);
  bytes.insert(bytes.end(), signature.begin(), signature.end());
  return bytes;
}

}  // namespace holdfast::vault
