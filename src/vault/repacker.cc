// SPDX-License-Identifier: Apache-2.0
#include "vault/repacker.h"

#include "base/check.h"
#include "crypto/hash.h"

namespace holdfast::vault {

struct Repacker::Open {
  std::shared_ptr<OpenPack> pack;
  std::unique_ptr<HeaderKeys> keys;
  std::map<Bytes, uint32_t> origins;  // By all of its body: where an origin record stands.
};

Repacker::Repacker(Vault& vault, Vault::Domain& domain, PackKind kind)
    : vault_(vault), domain_(domain), kind_(kind), reader_(domain.make_reader()) {}
Repacker::~Repacker() = default;

void Repacker::open_pack() {
  PackOrigin origin;
  origin.vault = vault_.keyring().vault_id();
  origin.domain = domain_.id();
  origin.epoch = domain_.keys().current().epoch;
  origin.author = vault_.keyring().self().id;
  origin.kind = kind_;
  vault_.rng().fill(origin.salt);
  open_ = std::make_unique<Open>();
  open_->keys = std::make_unique<HeaderKeys>(domain_.keys().current().metadata_key, origin);
  format::PackHead head;
  head.salt = origin.salt;
  head.commitment = open_->keys->commitment();
  vault_.rng().fill(head.sealed_secret);  // Nothing is sealed here for the first time: there is no secret.
  open_->pack = std::make_shared<OpenPack>(AlignedBuffer(vault_.keyring().parameters().pack_size_bytes), origin, head,
                                           ++serial_);
}

bool Repacker::place_record(format::RecordHeader header, ByteView piece_table, ByteView content) {
  const uint64_t size = format::record_size_bytes(header);
  const auto slot = open_->pack->reserve(size);
  if (!slot) return false;
  RecordEntry entry;
  entry.offset_bytes = slot->offset_bytes;
  header.ordinal = slot->ordinal;
  if (header.kind == format::RecordKind::origin) header.origin_ordinal = slot->ordinal;
  entry.header = header;

  std::array<std::byte, format::RecordHeader::size_bytes> plain;
  format::encode_record_header(header, plain);
  HeaderKeys& keys = *open_->keys;
  const auto tag = keys.tag(header.ordinal);
  const auto nonce = keys.nonce(plain);
  MutableByteView out = slot->bytes;
  const auto place = [&](size_t size_bytes) {
    const MutableByteView part = out.first(size_bytes);
    out = out.subspan(size_bytes);
    return part;
  };
  std::memcpy(place(tag.size()).data(), tag.data(), tag.size());
  std::memcpy(place(nonce.size()).data(), nonce.data(), nonce.size());
  keys.seal("header", nonce, plain, place(plain.size() + crypto::aead_tag_size_bytes));
  if (!piece_table.empty()) {
    keys.seal("pieces", nonce, piece_table, place(piece_table.size() + crypto::aead_tag_size_bytes));
    auto pieces = format::decode_piece_table(piece_table, header.plain_size_bytes);
    CHECK(pieces.has_value());  // It was decoded before it was encoded.
    entry.pieces = std::move(*pieces);
  }
  if (header.kind == format::RecordKind::origin) {
    keys.seal("origin", nonce, content, place(content.size() + crypto::aead_tag_size_bytes));
  } else {
    std::memcpy(place(content.size()).data(), content.data(), content.size());  // With its tag, as it was sealed.
  }
  CHECK(out.empty());
  CHECK(!open_->pack->complete(std::move(entry)));  // Not closed: nobody else owns it.
  return true;
}

std::optional<uint32_t> Repacker::place_origin(const format::PackInfo& origin) {
  const Bytes body = encode_origin_body(origin);
  const auto known = open_->origins.find(body);
  if (known != open_->origins.end()) return known->second;
  format::RecordHeader header;
  header.kind = format::RecordKind::origin;
  header.plain_size_bytes = header.content_size_bytes = static_cast<uint32_t>(body.size());
  header.id = ChunkId::from(crypto::hash(body));
  if (!place_record(header, {}, body)) return std::nullopt;
  const uint32_t offset = open_->pack->entries().back().offset_bytes;
  open_->origins[body] = offset;
  return offset;
}

Status Repacker::move(const format::PackInfo& from, ByteView bytes) {
  const format::RecordHeader header = TRY(reader_->open_header(from, bytes));
  if (header.kind == format::RecordKind::origin || bytes.size() != format::record_size_bytes(header)) {
    return Error(ErrorCode::corrupt, "record: not what the index says");
  }
  const format::PackInfo origin = TRY(reader_->origin_of_record(from, header));
  Bytes piece_table;
  size_t content_offset = format::record_prefix_size_bytes;
  if (header.piece_table_size_bytes > 0) {
    format::encode_piece_table(piece_table, TRY(reader_->open_pieces(from, header, bytes)));
    content_offset += piece_table.size() + crypto::aead_tag_size_bytes;
  }
  const ByteView content = bytes.subspan(content_offset);
  for (int attempt = 0; attempt < 2; ++attempt) {
    if (!open_) open_pack();
    if (const auto place = place_origin(origin)) {
      format::RecordHeader moved = header;
      moved.origin_offset_bytes = *place;
      if (place_record(moved, piece_table, content)) return {};
    }
    TRY_DO(write_pack());
  }
  return Error(ErrorCode::internal, "a record is larger than a pack");
}

Status Repacker::write_pack() {
  if (!open_) return {};
  const std::unique_ptr<Open> open = std::move(open_);
  OpenPack& pack = *open->pack;
  CHECK(pack.close());
  const OpenPack::Finished finished = pack.finish(*open->keys, vault_.keyring().signing_key());
  const PackOrigin& origin = pack.origin();
  const std::array<ByteView, 1> parts{pack.bytes(finished)};
  TRY_DO(vault_.store()
             .create(pack_key(origin.kind, origin.domain, origin.author, finished.id), parts)
             .during("write pack " + to_hex(finished.id)));
  const auto pack_place = static_cast<uint32_t>(contents_.packs.size());
  contents_.packs.push_back({.id = finished.id,
                             .kind = static_cast<uint8_t>(origin.kind),
                             .epoch = origin.epoch,
                             .author = origin.author.value,
                             .size_bytes = finished.size_bytes,
                             .head = pack.head()});
  for (const RecordEntry& entry : pack.entries()) {
    if (entry.header.kind == format::RecordKind::origin) continue;
    const auto place = static_cast<uint32_t>(contents_.chunks.size());
    contents_.chunks.push_back({.id = format::short_id(entry.header.id),
                                .pack = pack_place,
                                .offset_bytes = entry.offset_bytes,
                                .size_bytes = static_cast<uint32_t>(format::record_size_bytes(entry.header)),
                                .plain_size_bytes = entry.header.plain_size_bytes});
    for (const format::Piece& piece : entry.pieces) contents_.pieces.push_back({.id = piece.id, .bundle = place});
  }
  return {};
}

Status Repacker::finish() { return write_pack(); }

}  // namespace holdfast::vault
