// SPDX-License-Identifier: Apache-2.0
#include "vault/record_sealer.h"

#include <fmt/format.h>

#include "base/check.h"

namespace holdfast::vault {

namespace {

constexpr size_t cached_packs_max = 16;
// Compression must save this share, or reading would pay for nothing.
constexpr size_t worthwhile_percent = 97;

crypto::KeyedHasher hasher_for(std::string_view context, const crypto::Secret32& id_key) {
  const std::array<ByteView, 1> parts{id_key.view()};
  return crypto::KeyedHasher(crypto::derive_key(context, parts));
}

void grow(Bytes& buffer, size_t size_bytes) {
  if (buffer.size() < size_bytes) buffer.resize(size_bytes);
}

}  // namespace

IdKeys::IdKeys(const crypto::Secret32& id_key)
    : chunk(hasher_for("holdfast v1 chunk id", id_key)),
      piece(hasher_for("holdfast v1 piece id", id_key)),
      bundle(hasher_for("holdfast v1 bundle id", id_key)),
      node(hasher_for("holdfast v1 node id", id_key)) {}

ChunkId hash_with(const crypto::KeyedHasher& hasher, ByteView bytes) {
  crypto::KeyedHasher copy = hasher;
  copy.update(bytes);
  return ChunkId::from(copy.finalize());
}

ChunkId bundle_id(const IdKeys& keys, const std::vector<ChunkId>& pieces) {
  crypto::KeyedHasher hasher = keys.bundle;
  for (const ChunkId& piece : pieces) hasher.update(piece.view());
  return ChunkId::from(hasher.finalize());
}

Result<ChunkId> RecordIdChecker::bundle_of(const format::RecordHeader& header, ByteView plain,
                                           const std::vector<format::Piece>& pieces) {
  messages_.clear();
  size_t offset = 0;
  for (const format::Piece& piece : pieces) {
    messages_.push_back(plain.subspan(offset, piece.size_bytes));
    offset += piece.size_bytes;
  }
  hashes_.resize(messages_.size());
  batch_.hash(messages_, hashes_);
  piece_ids_.clear();
  for (size_t at = 0; at < pieces.size(); ++at) {
    piece_ids_.push_back(ChunkId::from(hashes_[at]));
    if (format::short_id(piece_ids_.back()) != pieces[at].id) {
      return Error(ErrorCode::corrupt, "a piece in bundle " + to_hex(header.id) + " is not what its id says");
    }
  }
  return bundle_id(ids_, piece_ids_);
}

Status RecordIdChecker::check(const format::RecordHeader& header, ByteView plain,
                              const std::vector<format::Piece>& pieces) {
  ChunkId found;
  switch (header.kind) {
    case format::RecordKind::chunk: found = hash_with(ids_.chunk, plain); break;
    case format::RecordKind::node: found = hash_with(ids_.node, plain); break;
    case format::RecordKind::bundle: found = TRY(bundle_of(header, plain, pieces)); break;
    case format::RecordKind::origin: return {};
  }
  if (found != header.id) return Error(ErrorCode::corrupt, "chunk " + to_hex(header.id) + " is not what its id says");
  return {};
}

RecordSealer::RecordSealer(const IdKeys& ids, codec::Effort effort, Profile* profile)
    : id_checker_(ids), effort_(effort), profile_(profile) {}

Result<RecordSealer::Prepared> RecordSealer::prepare(format::RecordKind kind, const ChunkId& id, ByteView plain,
                                                     const std::vector<format::Piece>* pieces,
                                                     codec::Material material) {
  CHECK(plain.size() <= format::record_plain_size_bytes_max);
  const StageTimer timer(profile_, Stage::compress);
  Prepared prepared;
  prepared.header.kind = kind;
  prepared.header.id = id;
  prepared.header.plain_size_bytes = static_cast<uint32_t>(plain.size());
  prepared.content = plain;
  if (plain.size() >= 64 && codec::looks_compressible(plain)) {
    const int level = codec::level_of(effort_, material);
    const size_t worthwhile_size = plain.size() * worthwhile_percent / 100;
    grow(compressed_, worthwhile_size);
    const MutableByteView room = MutableByteView(compressed_).first(worthwhile_size);
    const size_t size = TRY(compressor_.compress(plain, room, level).during("compress"));
    if (size > 0) {
      prepared.header.codec = format::Codec::zstd;
      prepared.header.level = static_cast<uint8_t>(level);
      prepared.content = ByteView(compressed_).first(size);
    }
  }
  prepared.header.content_size_bytes = static_cast<uint32_t>(prepared.content.size());
  if (pieces != nullptr) {
    format::encode_piece_table(prepared.piece_table, *pieces);
    prepared.header.piece_table_size_bytes = static_cast<uint32_t>(prepared.piece_table.size());
  }
  return prepared;
}

RecordSealer::PackKeys& RecordSealer::keys_for(const OpenPack& pack, const crypto::Secret32& metadata_key,
                                               const crypto::Secret32& content_secret) {
  for (PackKeys& keys : keys_) {
    if (keys.serial == pack.serial()) return keys;
  }
  if (keys_.size() == cached_packs_max) keys_.erase(keys_.begin());
  PackKeys keys;
  keys.serial = pack.serial();
  keys.header = std::make_unique<HeaderKeys>(metadata_key, pack.origin());
  keys.content = std::make_unique<ContentKeys>(content_secret, pack.origin());
  keys_.push_back(std::move(keys));
  return keys_.back();
}

Result<RecordEntry> RecordSealer::seal(OpenPack& pack, const OpenPack::Slot& slot, const Prepared& prepared,
                                       const crypto::Secret32& metadata_key,
                                       const crypto::Secret32& content_secret) {
  PackKeys& keys = keys_for(pack, metadata_key, content_secret);
  RecordEntry entry;
  entry.header = prepared.header;
  entry.header.ordinal = slot.ordinal;
  entry.header.origin_ordinal = slot.ordinal;
  entry.offset_bytes = slot.offset_bytes;
  CHECK(slot.bytes.size() == format::record_size_bytes(entry.header));
  TRY_DO(seal_into(slot.bytes, prepared, entry, keys));
  const StageTimer timer(profile_, Stage::check);
  TRY_DO(check(slot.bytes, entry, prepared.piece_table, keys));
  return entry;
}

Status RecordSealer::seal_into(MutableByteView out, const Prepared& prepared, RecordEntry& entry, PackKeys& keys) {
  const StageTimer timer(profile_, Stage::seal);
  std::array<std::byte, format::RecordHeader::size_bytes> header_plain;
  format::encode_record_header(entry.header, header_plain);
  const auto tag = keys.header->tag(entry.header.ordinal);
  const auto nonce = keys.header->nonce(header_plain);
  const auto place = [&](size_t size_bytes) {
    const MutableByteView part = out.first(size_bytes);
    out = out.subspan(size_bytes);
    return part;
  };
  std::memcpy(place(tag.size()).data(), tag.data(), tag.size());
  std::memcpy(place(nonce.size()).data(), nonce.data(), nonce.size());
  keys.header->seal("header", nonce, header_plain, place(header_plain.size() + crypto::aead_tag_size_bytes));
  if (!prepared.piece_table.empty()) {
    keys.header->seal("pieces", nonce, prepared.piece_table,
                      place(prepared.piece_table.size() + crypto::aead_tag_size_bytes));
    entry.pieces = TRY(format::decode_piece_table(prepared.piece_table, entry.header.plain_size_bytes));
  }
  const MutableByteView content_place = place(prepared.content.size() + crypto::aead_tag_size_bytes);
  keys.content->seal(entry.header, prepared.content, content_place);
  return {};
}

// What readers will need before they come to the content.
Status RecordSealer::check_metadata(ByteView record, const RecordEntry& entry, ByteView piece_table,
                                    HeaderKeys& keys) {
  const auto tag = keys.tag(entry.header.ordinal);
  HeaderKeys::NonceBytes nonce;
  std::memcpy(nonce.data(), record.data() + tag.size(), nonce.size());
  std::array<std::byte, format::RecordHeader::size_bytes> header, expected;
  format::encode_record_header(entry.header, expected);
  TRY_DO(keys.open("header", nonce,
                   record.subspan(tag.size() + nonce.size(), header.size() + crypto::aead_tag_size_bytes), header));
  if (header != expected || !equal(tag, record.first(tag.size()))) {
    return Error(ErrorCode::corrupt, "its header is not what was sealed");
  }
  if (piece_table.empty()) return {};
  grow(opened_, piece_table.size());
  const MutableByteView table = MutableByteView(opened_).first(piece_table.size());
  TRY_DO(keys.open("pieces", nonce,
                   record.subspan(format::record_prefix_size_bytes, table.size() + crypto::aead_tag_size_bytes),
                   table));
  if (equal(table, piece_table)) return {};
  return Error(ErrorCode::corrupt, "its piece table is not what was sealed");
}

Status RecordSealer::check(ByteView record, const RecordEntry& entry, ByteView piece_table, PackKeys& keys) {
  const format::RecordHeader& header = entry.header;
  const auto judge = [&]() -> Status {
    TRY_DO(check_metadata(record, entry, piece_table, *keys.header));
    grow(opened_, header.content_size_bytes);
    const MutableByteView opened = MutableByteView(opened_).first(header.content_size_bytes);
    TRY_DO(keys.content->open(header, record.last(header.content_size_bytes + crypto::aead_tag_size_bytes), opened));
    ByteView plain = opened;
    if (header.codec == format::Codec::zstd) {
      grow(decompressed_, header.plain_size_bytes);
      const MutableByteView whole = MutableByteView(decompressed_).first(header.plain_size_bytes);
      TRY_DO(decompressor_.decompress(opened, whole));
      plain = whole;
    }
    return id_checker_.check(header, plain, entry.pieces);
  };
  Status good = judge();
  if (good) return {};
  return Error(ErrorCode::internal, fmt::format("record {} did not survive being sealed: {}", header.ordinal,
                                                good.error().message()))
      .with_hint("The memory or processor of this machine may be faulty; nothing damaged was stored.");
}

}  // namespace holdfast::vault
