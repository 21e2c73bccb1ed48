// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>

#include "base/hash_id.h"
#include "crypto/aead.h"
#include "crypto/hash.h"
#include "crypto/secret.h"
#include "format/pack.h"
#include "vault/names.h"

// The keys inside one pack and what they are bound to (docs/format.md 4.1). The header key comes from the domain's
// metadata key: who holds it can find records, rebuild the index and read trees. The content key of a data pack comes
// from the session's secret, which only the domain's data private key opens.
namespace holdfast::vault {

// Where a pack comes from: associated data of all that is sealed in it, so that nothing moves between packs, authors,
// domains or vaults unseen.
struct PackOrigin {
  VaultId vault;
  DomainId domain = 0;
  Epoch epoch = 0;
  AuthorId author;
  PackKind kind = PackKind::data;
  std::array<std::byte, 32> salt{};
  friend bool operator==(const PackOrigin&, const PackOrigin&) = default;
};
Bytes encode_origin(const PackOrigin& origin);

// The context to which a session's secret is sealed.
Bytes session_secret_context(const PackOrigin& origin);

// Opens and seals what the holder of the metadata key may see.
class HeaderKeys {
 public:
  HeaderKeys(const crypto::Secret32& metadata_key, const PackOrigin& origin);

  const crypto::Hash32& commitment() const { return commitment_; }
  std::array<std::byte, format::record_tag_size_bytes> tag(uint32_t ordinal) const;

  using NonceBytes = std::array<std::byte, crypto::aead_nonce_size_bytes>;
  // Derived from the plaintext: a repeated state cannot seal two different texts under one nonce.
  NonceBytes nonce(ByteView plain) const;

  // `what` keeps the uses apart: "header", "pieces", "origin", "contents", "footer". A record's header shares its nonce
  // with the piece table or origin behind it, so those are sealed under a key of their own.
  void seal(std::string_view what, const NonceBytes& nonce, ByteView plain, MutableByteView out);
  Status open(std::string_view what, const NonceBytes& nonce, ByteView sealed, MutableByteView out);
  // Bytes for padding.
  void fill_padding(MutableByteView out) const;

 private:
  Bytes associated(std::string_view what) const;
  crypto::Aead& aead_for(std::string_view what) { return what == "pieces" || what == "origin" ? body_aead_ : aead_; }
  Bytes origin_;
  crypto::Hash32 commitment_;
  crypto::Secret32 pad_key_;
  crypto::KeyedHasher tag_hasher_, nonce_hasher_;
  crypto::Aead aead_, body_aead_;
};

// Opens and seals contents.
class ContentKeys {
 public:
  // `secret`: the session's for data packs, the metadata key for metadata packs.
  ContentKeys(const crypto::Secret32& secret, const PackOrigin& origin);
  // `header` as in the pack it was first sealed in. `out` is 16 bytes longer than `content`.
  void seal(const format::RecordHeader& header, ByteView content, MutableByteView out);
  Status open(const format::RecordHeader& header, ByteView sealed, MutableByteView out);

 private:
  void bind(const format::RecordHeader& header);
  Bytes associated_;  // Origin, then the header's 60 bytes, rewritten for each record.
  HeaderKeys::NonceBytes nonce_{};
  crypto::KeyedHasher nonce_hasher_;
  crypto::Aead aead_;
};

}  // namespace holdfast::vault
