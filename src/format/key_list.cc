// SPDX-License-Identifier: Apache-2.0
#include "format/key_list.h"

#include <algorithm>

#include "base/byte_io.h"
#include "base/newer.h"

namespace holdfast::format {

namespace {

constexpr std::string_view magic = "HFKEYS\r\n";
constexpr size_t header_size_bytes = 84;
constexpr uint8_t suite_aes256gcm = 1;

// The least that one item takes: counts are checked against the bytes that are left before anything is reserved.
constexpr size_t slot_size_bytes_min = 4 + 1 + 8 + 32 + 1 + sealed_key_size_bytes;
constexpr size_t domain_size_bytes_min = 4 + 4 + sealed_key_size_bytes + 1;
constexpr size_t author_size_bytes_min = 32 + 1 + 4 + 1 + 32 + 1 + 1;
constexpr size_t position_size_bytes = 4 + 8;

Error corrupt(std::string what) { return Error(ErrorCode::corrupt, "key list: " + std::move(what)); }
Error newer(std::string what) { return made_by_newer("key list: " + std::move(what)); }

template <size_t size>
void read_array(ByteReader& in, std::array<std::byte, size>& out) {
  const ByteView bytes = in.raw(size);
  if (in.ok()) std::ranges::copy(bytes, out.begin());
}

Result<size_t> read_count(ByteReader& in, size_t count_max, size_t item_size_bytes_min, std::string_view what) {
  const uint64_t count = in.varint();
  if (!in.ok() || count > count_max || count > in.remaining() / item_size_bytes_min)
    return corrupt("impossible number of " + std::string(what));
  return static_cast<size_t>(count);
}

void encode_slot(ByteWriter& out, const KeyListSlot& slot) {
  out.fixed(slot.id);
  out.u8(static_cast<uint8_t>(slot.kind));
  out.fixed(static_cast<uint64_t>(slot.created));
  out.raw(slot.public_key.view());
  Bytes parameters = slot.parameters;
  if (slot.kind == SlotKind::passphrase) {
    ByteWriter of_passphrase(parameters);
    of_passphrase.raw(slot.salt);
    of_passphrase.fixed(slot.kdf.memory_kib);
    of_passphrase.fixed(slot.kdf.iterations);
    of_passphrase.fixed(slot.kdf.lanes);
  }
  out.string(parameters);
  out.raw(slot.sealed_root);
}

// What a slot's kind adds. Of kinds that came later it is kept as it is.
Status decode_slot_parameters(ByteView parameters, KeyListSlot& slot) {
  if (parameters.size() > slot_parameters_size_bytes_max) return corrupt("parameters of a slot beyond their bounds");
  if (slot.kind > SlotKind::key_file) {
    slot.parameters = to_bytes(parameters);
    return {};
  }
  ByteReader in(parameters);
  if (slot.kind == SlotKind::passphrase) {
    read_array(in, slot.salt);
    slot.kdf.memory_kib = in.fixed<uint32_t>();
    slot.kdf.iterations = in.fixed<uint32_t>();
    slot.kdf.lanes = in.fixed<uint32_t>();
    if (in.ok() && !crypto::check_kdf_parameters(slot.kdf)) return corrupt("key derivation beyond its bounds");
  }
  return in.finish("key list: parameters of a slot");
}

Result<KeyListSlot> decode_slot(ByteReader& in) {
  KeyListSlot slot;
  slot.id = in.fixed<uint32_t>();
  const uint8_t kind = in.u8();
  if (in.ok() && kind == 0) return corrupt("slot of kind 0");
  slot.kind = static_cast<SlotKind>(kind);
  slot.created = static_cast<UnixTimeNs>(in.fixed<uint64_t>());
  read_array(in, slot.public_key.value);
  const ByteView parameters = in.string();
  read_array(in, slot.sealed_root);
  if (!in.ok()) return corrupt("truncated slot");
  TRY_DO(decode_slot_parameters(parameters, slot));
  if (slot.id == 0) return corrupt("slot without number");
  if (slot.public_key.is_none()) return corrupt("slot without public key");
  return slot;
}

void encode_domain(ByteWriter& out, const KeyListDomain& domain) {
  out.fixed(domain.id);
  out.fixed(domain.epoch);
  out.raw(domain.collector_seal);
  out.string(domain.area);
}

Result<KeyListDomain> decode_domain(ByteReader& in) {
  KeyListDomain domain;
  domain.id = in.fixed<uint32_t>();
  domain.epoch = in.fixed<uint32_t>();
  read_array(in, domain.collector_seal);
  domain.area = to_bytes(in.string());
  if (!in.ok()) return corrupt("truncated domain");
  if (domain.id == 0) return corrupt("domain without number");
  if (domain.epoch == 0 || domain.epoch > key_list_epoch_max) return corrupt("impossible epoch");
  return domain;
}

void encode_author(ByteWriter& out, const KeyListAuthor& author) {
  out.raw(author.verify_key.view());
  out.u8(static_cast<uint8_t>(author.role));
  out.fixed(author.domain);
  out.u8(author.removed ? 1 : 0);
  out.raw(author.box_key.view());
  out.string(author.grant);
  out.varint(author.last_records.size());
  for (const LogPosition& position : author.last_records) {
    out.fixed(position.domain);
    out.fixed(position.number);
  }
}

Status check_author(const KeyListAuthor& author) {
  if (author.verify_key.is_none()) return corrupt("author without key");
  const bool is_owner = author.role == AuthorRole::owner;
  if ((author.role == AuthorRole::agent) == (author.domain == 0)) return corrupt("author's domain is not of its role");
  if (is_owner && author.removed) return corrupt("the owner cannot be removed");
  if (is_owner != author.box_key.is_none()) return corrupt("author's box key is not of its role");
  if ((is_owner || author.removed) != author.grant.empty()) return corrupt("author's grant is not of its role");
  if (!author.removed && !author.last_records.empty()) return corrupt("active author with an end");
  return {};
}

Result<KeyListAuthor> decode_author(ByteReader& in) {
  KeyListAuthor author;
  read_array(in, author.verify_key.value);
  const uint8_t role = in.u8();
  if (in.ok() && role == 0) return corrupt("role 0");
  if (in.ok() && role > 3) return newer("role " + std::to_string(role));
  author.role = static_cast<AuthorRole>(role);
  author.domain = in.fixed<uint32_t>();
  const uint8_t removed = in.u8();
  if (removed > 1) return corrupt("unknown flags of an author");
  author.removed = removed == 1;
  read_array(in, author.box_key.value);
  author.grant = to_bytes(in.string());
  const size_t count = TRY(read_count(in, key_list_domains_max, position_size_bytes, "ends of an author"));
  author.last_records.resize(count);
  uint32_t domain_before = 0;
  for (LogPosition& position : author.last_records) {
    position.domain = in.fixed<uint32_t>();
    position.number = in.fixed<uint64_t>();
    if (position.domain <= domain_before) return corrupt("ends of an author out of order");
    domain_before = position.domain;
  }
  if (!in.ok()) return corrupt("truncated author");
  TRY_DO(check_author(author));
  return author;
}

// Twice the number of the feature, and 1 more if nobody may read the vault without knowing it.
void encode_features(ByteWriter& out, const std::vector<uint64_t>& features) {
  Bytes marks;
  for (const uint64_t feature : features) ByteWriter(marks).varint(feature * 2);
  out.string(marks);
}

// This version knows no feature.
Result<std::vector<uint64_t>> decode_features(ByteView marks) {
  std::vector<uint64_t> features;
  ByteReader in(marks);
  while (in.remaining() > 0) {
    const uint64_t mark = in.varint();
    if (!in.ok() || mark / 2 == 0 || (!features.empty() && mark / 2 <= features.back())) {
      return corrupt("malformed features");
    }
    if (mark % 2 != 0) return newer("feature " + std::to_string(mark / 2) + " of the vault");
    features.push_back(mark / 2);
  }
  return features;
}

void encode_body(ByteWriter& out, const KeyList& list) {
  out.fixed(static_cast<uint64_t>(list.created));
  out.fixed(static_cast<uint64_t>(list.written));
  out.fixed(list.parameters.pack_size_bytes);
  out.fixed(list.parameters.chunk_size_bytes_mean);
  out.fixed(list.parameters.small_file_size_bytes_max);
  out.fixed(list.parameters.bundle_size_bytes);
  encode_features(out, list.unknown_features);
  out.fixed(list.root_epoch);
  out.fixed(list.slot_id_next);
  out.fixed(list.domain_id_next);
}

Status decode_body(ByteReader& in, KeyList& list) {
  list.created = static_cast<UnixTimeNs>(in.fixed<uint64_t>());
  list.written = static_cast<UnixTimeNs>(in.fixed<uint64_t>());
  list.parameters.pack_size_bytes = in.fixed<uint32_t>();
  list.parameters.chunk_size_bytes_mean = in.fixed<uint32_t>();
  list.parameters.small_file_size_bytes_max = in.fixed<uint32_t>();
  list.parameters.bundle_size_bytes = in.fixed<uint32_t>();
  list.unknown_features = TRY(decode_features(in.string()));
  list.root_epoch = in.fixed<uint32_t>();
  list.slot_id_next = in.fixed<uint32_t>();
  list.domain_id_next = in.fixed<uint32_t>();
  if (!in.ok()) return corrupt("truncated");
  if (!check_key_list_parameters(list.parameters)) return corrupt("vault parameters beyond their bounds");
  if (list.root_epoch == 0) return corrupt("impossible epoch");
  return {};
}

Status decode_items(ByteReader& in, KeyList& list) {
  const size_t slots = TRY(read_count(in, key_list_slots_max, slot_size_bytes_min, "slots"));
  for (size_t at = 0; at < slots; ++at) list.slots.push_back(TRY(decode_slot(in)));
  const size_t domains = TRY(read_count(in, key_list_domains_max, domain_size_bytes_min, "domains"));
  list.domains.reserve(domains);
  for (size_t at = 0; at < domains; ++at) list.domains.push_back(TRY(decode_domain(in)));
  const size_t authors = TRY(read_count(in, key_list_authors_max, author_size_bytes_min, "authors"));
  list.authors.reserve(authors);
  for (size_t at = 0; at < authors; ++at) list.authors.push_back(TRY(decode_author(in)));
  list.owner_secrets = to_bytes(in.string());
  return in.finish("key list");
}

template <class Items, class Project>
bool strictly_ascending(const Items& items, Project project) {
  return std::ranges::adjacent_find(items, [](const auto& a, const auto& b) { return !(a < b); }, project) ==
         items.end();
}

bool has_domain(const KeyList& list, uint32_t id) {
  return std::ranges::binary_search(list.domains, id, {}, &KeyListDomain::id);
}

Status check_references(const KeyList& list) {
  if (list.slots.empty()) return corrupt("no slot");
  if (!strictly_ascending(list.slots, &KeyListSlot::id) || list.slots.back().id >= list.slot_id_next)
    return corrupt("slots twice or out of order");
  for (auto slot = list.slots.begin(); slot != list.slots.end(); ++slot)
    if (std::any_of(slot + 1, list.slots.end(), [&](const auto& b) { return b.public_key == slot->public_key; }))
      return corrupt("two slots with one public key");
  if (list.domains.empty() || list.domains.front().id != 1) return corrupt("the vault's own domain is missing");
  if (!strictly_ascending(list.domains, &KeyListDomain::id) || list.domains.back().id >= list.domain_id_next)
    return corrupt("domains twice or out of order");
  if (!strictly_ascending(list.authors, &KeyListAuthor::verify_key)) return corrupt("authors twice or out of order");
  size_t owners = 0;
  for (const KeyListAuthor& author : list.authors) {
    if (author.domain != 0 && !has_domain(list, author.domain)) return corrupt("author of a domain that is not there");
    if (author.role != AuthorRole::owner) continue;
    if (author.verify_key != list.header.owner) return corrupt("an owner that is not the signer");
    ++owners;
  }
  if (owners != 1) return corrupt("the owner is not among the authors");
  return {};
}

}  // namespace

Bytes encode_key_list(const KeyList& list) {
  Bytes bytes;
  ByteWriter out(bytes);
  out.raw(as_bytes(magic));
  out.u8(key_list_version);
  out.u8(suite_aes256gcm);
  out.fixed<uint16_t>(0);
  out.fixed(list.header.number);
  out.raw(list.header.previous.view());
  out.raw(list.header.owner.view());
  encode_body(out, list);
  out.varint(list.slots.size());
  for (const KeyListSlot& slot : list.slots) encode_slot(out, slot);
  out.varint(list.domains.size());
  for (const KeyListDomain& domain : list.domains) encode_domain(out, domain);
  out.varint(list.authors.size());
  for (const KeyListAuthor& author : list.authors) encode_author(out, author);
  out.string(list.owner_secrets);
  return bytes;
}

Result<KeyListHeader> decode_key_list_header(ByteView signed_bytes) {
  if (signed_bytes.size() > key_list_size_bytes_max) return corrupt("larger than 16 MiB");
  ByteReader in(signed_bytes);
  if (as_text(in.raw(magic.size())) != magic) return corrupt("is none");
  const uint8_t version = in.u8();
  const uint8_t suite = in.u8();
  if (in.ok() && (version == 0 || suite == 0)) return corrupt("version or suite 0");
  if (in.ok() && version != key_list_version) return newer("version " + std::to_string(version));
  if (in.ok() && suite != suite_aes256gcm) return newer("suite " + std::to_string(suite));
  if (in.fixed<uint16_t>() != 0) return corrupt("reserved bytes are set");
  KeyListHeader header;
  header.number = in.fixed<uint64_t>();
  read_array(in, header.previous.value);
  read_array(in, header.owner.value);
  if (!in.ok()) return corrupt("truncated");
  if (header.number == 0 || (header.number == 1) != header.previous.is_none()) return corrupt("impossible number");
  return header;
}

Result<KeyList> decode_key_list(ByteView signed_bytes) {
  KeyList list;
  list.header = TRY(decode_key_list_header(signed_bytes));
  ByteReader in(signed_bytes.subspan(header_size_bytes));
  TRY_DO(decode_body(in, list));
  TRY_DO(decode_items(in, list));
  TRY_DO(check_references(list));
  return list;
}

Status check_key_list_parameters(const KeyListParameters& parameters) {
  const auto within = [](uint32_t value, uint32_t low, uint32_t high) { return low <= value && value <= high; };
  if (!within(parameters.pack_size_bytes, 64u << 10, 256u << 20))  // format/pack.h: no reader takes larger ones.
    return Error(ErrorCode::invalid, "vault parameters: packs have 64 KiB to 256 MiB");
  if (!within(parameters.chunk_size_bytes_mean, 4u << 10, 4u << 20))
    return Error(ErrorCode::invalid, "vault parameters: chunks have 4 KiB to 4 MiB on average");
  if (!within(parameters.small_file_size_bytes_max, 0, 1u << 20))
    return Error(ErrorCode::invalid, "vault parameters: small files have at most 1 MiB");
  if (!within(parameters.bundle_size_bytes, 4u << 10, 8u << 20))
    return Error(ErrorCode::invalid, "vault parameters: bundles have 4 KiB to 8 MiB");
  return {};
}

Status check_key_name(std::string_view name) {
  if (name.size() > key_name_size_bytes_max) return Error(ErrorCode::invalid, "name is longer than 255 bytes");
  const auto is_control = [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; };
  if (std::ranges::any_of(name, is_control)) return Error(ErrorCode::invalid, "name has control characters");
  return {};
}

}  // namespace holdfast::format
