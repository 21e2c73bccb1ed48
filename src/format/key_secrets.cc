// SPDX-License-Identifier: Apache-2.0
#include "format/key_secrets.h"

#include <algorithm>

#include "base/byte_io.h"
#include "base/check.h"
#include "format/key_list.h"

namespace holdfast::format {

namespace {

constexpr size_t key_size_bytes = crypto::Secret32::size_bytes;
constexpr size_t varint_size_bytes_max = 10;

// A buffer that is wiped, and never moved while it fills: `size_bytes_max` must suffice.
class SecretWriter : public ByteWriter {
 public:
  explicit SecretWriter(size_t size_bytes_max) : ByteWriter(buffer_), size_bytes_max_(size_bytes_max) {
    buffer_.reserve(size_bytes_max);
  }
  SecretWriter(const SecretWriter&) = delete;
  SecretWriter& operator=(const SecretWriter&) = delete;
  ~SecretWriter() { crypto::wipe(buffer_); }
  crypto::SecretBytes take() {
    CHECK(buffer_.size() <= size_bytes_max_);
    return crypto::SecretBytes::from(buffer_);
  }

 private:
  Bytes buffer_;
  size_t size_bytes_max_;
};

Error malformed(std::string_view what) { return Error(ErrorCode::corrupt, std::string(what) + ": malformed"); }

crypto::Secret32 read_secret(ByteReader& in) {
  const ByteView bytes = in.raw(key_size_bytes);
  return in.ok() ? crypto::Secret32::from(bytes) : crypto::Secret32();
}

Result<std::string> read_name(ByteReader& in) {
  const std::string name(as_text(in.string()));
  if (!check_key_name(name)) return Error(ErrorCode::corrupt, "key list: malformed name");
  return name;
}

Result<size_t> read_count(ByteReader& in, size_t count_max, size_t item_size_bytes_min, std::string_view what) {
  const uint64_t count = in.varint();
  if (!in.ok() || count > count_max || count > in.remaining() / item_size_bytes_min) return malformed(what);
  return static_cast<size_t>(count);
}

Result<DomainSecrets> decode_domain_secrets(ByteReader& in) {
  DomainSecrets domain;
  domain.domain = in.fixed<uint32_t>();
  domain.id_key = read_secret(in);
  domain.cutter_key = read_secret(in);
  domain.metadata_key = read_secret(in);
  const size_t epochs = TRY(read_count(in, key_list_epoch_max, key_size_bytes, "owner secrets"));
  domain.data_private.reserve(epochs);
  for (size_t at = 0; at < epochs; ++at) domain.data_private.push_back(read_secret(in));
  if (!in.ok() || epochs == 0) return malformed("owner secrets");
  return domain;
}

}  // namespace

crypto::SecretBytes encode_owner_secrets(const OwnerSecrets& secrets) {
  size_t size_bytes_max = 2 * key_size_bytes + 2 * varint_size_bytes_max;
  for (const SlotName& slot : secrets.slot_names) size_bytes_max += 4 + varint_size_bytes_max + slot.name.size();
  for (const DomainSecrets& domain : secrets.domains)
    size_bytes_max += 4 + varint_size_bytes_max + key_size_bytes * (3 + domain.data_private.size());
  SecretWriter out(size_bytes_max);
  out.raw(secrets.owner_seed.view());
  out.raw(secrets.collector_key.view());
  out.varint(secrets.slot_names.size());
  for (const SlotName& slot : secrets.slot_names) {
    out.fixed(slot.slot);
    out.string(slot.name);
  }
  out.varint(secrets.domains.size());
  for (const DomainSecrets& domain : secrets.domains) {
    out.fixed(domain.domain);
    out.raw(domain.id_key.view());
    out.raw(domain.cutter_key.view());
    out.raw(domain.metadata_key.view());
    out.varint(domain.data_private.size());
    for (const crypto::Secret32& key : domain.data_private) out.raw(key.view());
  }
  return out.take();
}

Result<OwnerSecrets> decode_owner_secrets(ByteView bytes) {
  ByteReader in(bytes);
  OwnerSecrets secrets;
  secrets.owner_seed = read_secret(in);
  secrets.collector_key = read_secret(in);
  const size_t slots = TRY(read_count(in, key_list_slots_max, 4 + 1, "owner secrets"));
  for (size_t at = 0; at < slots; ++at) {
    const uint32_t slot = in.fixed<uint32_t>();
    secrets.slot_names.push_back({slot, TRY(read_name(in))});
  }
  const size_t domains = TRY(read_count(in, key_list_domains_max, 4 + 4 * key_size_bytes + 1, "owner secrets"));
  secrets.domains.reserve(domains);
  for (size_t at = 0; at < domains; ++at) secrets.domains.push_back(TRY(decode_domain_secrets(in)));
  TRY_DO(in.finish("owner secrets"));
  return secrets;
}

crypto::SecretBytes encode_domain_area(const DomainArea& area) {
  size_t size_bytes_max = 3 * varint_size_bytes_max + area.name.size() +
                          key_size_bytes * (area.earlier_metadata_keys.size() + area.data_public.size());
  for (const AuthorName& author : area.author_names) size_bytes_max += 8 + varint_size_bytes_max + author.name.size();
  SecretWriter out(size_bytes_max);
  out.string(area.name);
  out.varint(area.data_public.size());
  for (const crypto::PublicKey32& key : area.data_public) out.raw(key.view());
  CHECK(area.earlier_metadata_keys.size() + 1 == area.data_public.size());
  for (const crypto::Secret32& key : area.earlier_metadata_keys) out.raw(key.view());
  out.varint(area.author_names.size());
  for (const AuthorName& author : area.author_names) {
    out.raw(author.author);
    out.string(author.name);
  }
  return out.take();
}

Result<DomainArea> decode_domain_area(ByteView bytes) {
  ByteReader in(bytes);
  DomainArea area;
  area.name = TRY(read_name(in));
  const size_t epochs = TRY(read_count(in, key_list_epoch_max, key_size_bytes, "domain area"));
  if (epochs == 0) return malformed("domain area");
  area.data_public.reserve(epochs);
  for (size_t at = 0; at < epochs; ++at) {
    area.data_public.push_back(crypto::PublicKey32::from(read_secret(in).view()));
    if (area.data_public.back().is_none()) return malformed("domain area");
  }
  area.earlier_metadata_keys.reserve(epochs - 1);
  for (size_t at = 0; at + 1 < epochs; ++at) area.earlier_metadata_keys.push_back(read_secret(in));
  const size_t authors = TRY(read_count(in, key_list_authors_max, 8 + 1, "domain area"));
  area.author_names.reserve(authors);
  for (size_t at = 0; at < authors; ++at) {
    AuthorName author;
    const ByteView id = in.raw(author.author.size());
    if (in.ok()) std::ranges::copy(id, author.author.begin());
    author.name = TRY(read_name(in));
    area.author_names.push_back(std::move(author));
  }
  TRY_DO(in.finish("domain area"));
  return area;
}

crypto::SecretBytes encode_agent_grant(const AgentGrant& grant) {
  SecretWriter out(3 * key_size_bytes);
  out.raw(grant.id_key.view());
  out.raw(grant.cutter_key.view());
  out.raw(grant.metadata_key.view());
  return out.take();
}

Result<AgentGrant> decode_agent_grant(ByteView bytes) {
  ByteReader in(bytes);
  AgentGrant grant;
  grant.id_key = read_secret(in);
  grant.cutter_key = read_secret(in);
  grant.metadata_key = read_secret(in);
  TRY_DO(in.finish("agent grant"));
  return grant;
}

}  // namespace holdfast::format
