// SPDX-License-Identifier: Apache-2.0
#include "base/byte_io.h"
#include "base/newer.h"
#include "codec/compress.h"
#include "crypto/hash.h"
#include "vault/vault.h"

// The stored form of an index segment (docs/format.md 5.1).
namespace holdfast::vault {

namespace {

constexpr std::string_view signature_context = "holdfast v1 index segment";
constexpr uint8_t object_version = 1;
// Ids do not compress; the columns beside them do, at any level.
constexpr int segment_level = 1;

Bytes segment_context(const VaultId& vault, DomainId domain, Epoch epoch, const AuthorId& author) {
  Bytes bytes = to_bytes(std::string_view("holdfast v1 index segment"));
  ByteWriter out(bytes);
  out.raw(vault.view());
  out.fixed(domain);
  out.fixed(epoch);
  out.raw(author.value);
  return bytes;
}

}  // namespace

Result<Bytes> seal_segment(Vault& vault, const DomainKeys& keys, ByteView plain) {
  if (plain.size() > format::segment_size_bytes_max) {
    return Error(ErrorCode::internal, "an index segment of " + std::to_string(plain.size()) + " bytes is too large");
  }
  Bytes compressed;
  ByteWriter header(compressed);
  header.fixed(static_cast<uint64_t>(plain.size()));
  const size_t header_size = compressed.size();
  compressed.resize(header_size + codec::compressed_size_bytes_max(plain.size()));
  codec::Compressor compressor;
  const size_t size = TRY(compressor.compress(plain, MutableByteView(compressed).subspan(header_size), segment_level));
  compressed.resize(header_size + size);

  const Epoch epoch = keys.current().epoch;
  const AuthorId& author = vault.keyring().self().id;
  Bytes object;
  ByteWriter out(object);
  out.u8(object_version);
  out.fixed(epoch);
  out.raw(crypto::seal_with(keys.current().metadata_key,
                            segment_context(vault.keyring().vault_id(), keys.domain, epoch, author), compressed,
                            vault.rng()));
  out.raw(vault.keyring().signing_key().sign(signature_context, crypto::hash(object)));
  return object;
}

Result<Bytes> open_segment(const Keyring& keyring, const DomainKeys& keys, const ParsedKey& name, ByteView object) {
  const std::string what = "index segment " + to_hex(name.id);
  const auto broken = [&](std::string_view why) { return Error(ErrorCode::corrupt, what + ": " + std::string(why)); };
  if (ObjectId::from(crypto::hash(object)) != name.id) return broken("its bytes do not match its name");
  if (object.size() < crypto::signature_size_bytes + 5) return broken("truncated");
  const ByteView body = object.first(object.size() - crypto::signature_size_bytes);
  const Author* author = keyring.author(name.author);
  if (author == nullptr || name.domain != keys.domain || (author->domain != 0 && author->domain != keys.domain) ||
      !crypto::verify(author->public_key, signature_context, crypto::hash(body),
                      object.last(crypto::signature_size_bytes))) {
    return broken("not signed by an author of this domain");
  }
  ByteReader in(body);
  const uint8_t version = in.u8();
  if (version > object_version) return made_by_newer(what);
  if (version != object_version) return broken("version 0");
  const Epoch epoch = in.fixed<uint32_t>();
  const EpochKeys* epoch_keys = keys.find(epoch);
  if (epoch_keys == nullptr) return Error(ErrorCode::denied, what + ": no keys of its epoch");
  const crypto::SecretBytes compressed =
      TRY(crypto::open_with(epoch_keys->metadata_key,
                            segment_context(keyring.vault_id(), keys.domain, epoch, name.author), in.rest())
              .during(what));
  ByteReader inner(compressed.view());
  const uint64_t plain_size = inner.fixed<uint64_t>();
  // A segment compresses little: ids are random. A wild ratio is an attack, not an index.
  if (!inner.ok() || plain_size > format::segment_size_bytes_max || plain_size / 64 > inner.remaining()) {
    return broken("impossible size");
  }
  Bytes plain(static_cast<size_t>(plain_size));
  thread_local codec::Decompressor decompressor;  // Making one costs more than a small segment.
  TRY_DO(decompressor.decompress(inner.rest(), plain).during(what));
  return plain;
}

Result<std::shared_ptr<const IndexTable>> open_index_table(const Keyring& keyring, const DomainKeys& keys,
                                                           const ParsedKey& name, ByteView object) {
  const std::string what = "index segment " + to_hex(name.id);
  auto plain = std::make_shared<Bytes>(TRY(open_segment(keyring, keys, name, object)));
  const ByteView view = *plain;
  auto table = TRY(IndexTable::make(name.id, view, std::move(plain)).during(what));
  // Agents move nothing, so they have nothing to say of packs that others wrote.
  if (keyring.author(name.author)->role != Role::agent) return table;
  for (const format::PackInfo& pack : table->view().packs()) {
    if (AuthorId{pack.author} != name.author) {
      return Error(ErrorCode::corrupt, what + ": an agent's, but it names a pack of another author");
    }
  }
  return table;
}

}  // namespace holdfast::vault
