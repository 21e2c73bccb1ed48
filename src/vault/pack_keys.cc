// SPDX-License-Identifier: Apache-2.0
#include "vault/pack_keys.h"

#include "base/byte_io.h"

namespace holdfast::vault {

namespace {

crypto::Secret32 derive(std::string_view context, const crypto::Secret32& key, ByteView origin) {
  const std::array<ByteView, 2> parts{key.view(), origin};
  return crypto::derive_key(context, parts);
}

}  // namespace

Bytes encode_origin(const PackOrigin& origin) {
  Bytes bytes;
  ByteWriter out(bytes);
  out.u8(format::pack_format_version);
  out.u8(static_cast<uint8_t>(crypto::Suite::aes256gcm));
  out.raw(origin.vault.view());
  out.fixed(origin.domain);
  out.fixed(origin.epoch);
  out.raw(origin.author.value);
  out.u8(static_cast<uint8_t>(origin.kind));
  out.raw(origin.salt);
  return bytes;
}

Bytes session_secret_context(const PackOrigin& origin) {
  Bytes bytes = to_bytes(std::string_view("holdfast v1 session secret"));
  ByteWriter out(bytes);
  out.raw(origin.vault.view());
  out.fixed(origin.domain);
  out.fixed(origin.epoch);
  out.raw(origin.author.value);
  return bytes;
}

HeaderKeys::HeaderKeys(const crypto::Secret32& metadata_key, const PackOrigin& origin)
    : origin_(encode_origin(origin)),
      pad_key_(derive("holdfast v1 pack padding", metadata_key, origin_)),
      tag_hasher_(derive("holdfast v1 pack tag", metadata_key, origin_)),
      nonce_hasher_(derive("holdfast v1 pack header nonce", metadata_key, origin_)),
      aead_(crypto::Suite::aes256gcm, derive("holdfast v1 pack header", metadata_key, origin_)),
      body_aead_(crypto::Suite::aes256gcm, derive("holdfast v1 pack record body", metadata_key, origin_)) {
  const std::array<ByteView, 2> parts{metadata_key.view(), ByteView(origin_)};
  commitment_ = crypto::derive_committed_key("holdfast v1 pack header", parts).commitment;
}

std::array<std::byte, format::record_tag_size_bytes> HeaderKeys::tag(uint32_t ordinal) const {
  crypto::KeyedHasher hasher = tag_hasher_;
  std::array<std::byte, 4> number;
  std::memcpy(number.data(), &ordinal, sizeof ordinal);
  hasher.update(number);
  const crypto::Hash32 hash = hasher.finalize();
  std::array<std::byte, format::record_tag_size_bytes> tag;
  std::memcpy(tag.data(), hash.data(), tag.size());
  return tag;
}

HeaderKeys::NonceBytes HeaderKeys::nonce(ByteView plain) const {
  crypto::KeyedHasher hasher = nonce_hasher_;
  hasher.update(plain);
  const crypto::Hash32 hash = hasher.finalize();
  NonceBytes nonce;
  std::memcpy(nonce.data(), hash.data(), nonce.size());
  return nonce;
}

Bytes HeaderKeys::associated(std::string_view what) const {
  Bytes bytes;
  bytes.reserve(origin_.size() + what.size() + 1);
  ByteWriter out(bytes);
  out.string(what);
  out.raw(origin_);
  return bytes;
}

void HeaderKeys::seal(std::string_view what, const NonceBytes& nonce, ByteView plain, MutableByteView out) {
  aead_for(what).seal(crypto::Nonce(nonce), associated(what), plain, out);
}

Status HeaderKeys::open(std::string_view what, const NonceBytes& nonce, ByteView sealed, MutableByteView out) {
  return aead_for(what).open(crypto::Nonce(nonce), associated(what), sealed, out);
}

void HeaderKeys::fill_padding(MutableByteView out) const {
  const std::array<ByteView, 1> parts{pad_key_.view()};
  crypto::derive_bytes("holdfast v1 padding bytes", parts, out);
}

ContentKeys::ContentKeys(const crypto::Secret32& secret, const PackOrigin& origin)
    : associated_(encode_origin(origin)),
      nonce_hasher_(derive("holdfast v1 pack content nonce", secret, associated_)),
      aead_(crypto::Suite::aes256gcm, derive("holdfast v1 pack content", secret, associated_)) {
  associated_.resize(associated_.size() + format::RecordHeader::size_bytes);
}

void ContentKeys::bind(const format::RecordHeader& header) {
  format::RecordHeader original = header;
  original.ordinal = header.origin_ordinal;
  original.origin_offset_bytes = 0;
  const MutableByteView place = MutableByteView(associated_).last(format::RecordHeader::size_bytes);
  format::encode_record_header(original, place);
  crypto::KeyedHasher hasher = nonce_hasher_;
  hasher.update(place);
  const crypto::Hash32 hash = hasher.finalize();
  std::memcpy(nonce_.data(), hash.data(), nonce_.size());
}

void ContentKeys::seal(const format::RecordHeader& header, ByteView content, MutableByteView out) {
  bind(header);
  aead_.seal(crypto::Nonce(nonce_), associated_, content, out);
}

Status ContentKeys::open(const format::RecordHeader& header, ByteView sealed, MutableByteView out) {
  bind(header);
  return aead_.open(crypto::Nonce(nonce_), associated_, sealed, out);
}

}  // namespace holdfast::vault
