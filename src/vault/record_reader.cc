// SPDX-License-Identifier: Apache-2.0
#include "vault/record_reader.h"

#include "base/byte_io.h"

namespace holdfast::vault {

namespace {

// Keys kept for this many packs; more are derived again. Bounds memory whatever the vault's size.
constexpr size_t cached_packs_max = 512;

constexpr size_t header_offset = format::record_tag_size_bytes + crypto::aead_nonce_size_bytes;
constexpr size_t sealed_header_size = format::RecordHeader::size_bytes + crypto::aead_tag_size_bytes;

HeaderKeys::NonceBytes nonce_of(ByteView record) {
  HeaderKeys::NonceBytes nonce;
  std::memcpy(nonce.data(), record.data() + format::record_tag_size_bytes, nonce.size());
  return nonce;
}

}  // namespace

Bytes encode_origin_body(const format::PackInfo& pack) {
  Bytes bytes;
  ByteWriter out(bytes);
  out.u8(pack.kind);
  out.fixed(pack.epoch);
  out.raw(pack.author);
  std::array<std::byte, format::PackHead::size_bytes> head;
  format::encode_pack_head(pack.head, head);
  out.raw(head);
  return bytes;
}

Result<format::PackInfo> decode_origin_body(ByteView bytes) {
  ByteReader in(bytes);
  format::PackInfo pack;
  pack.kind = in.u8();
  pack.epoch = in.fixed<uint32_t>();
  const ByteView author = in.raw(8);
  const ByteView head = in.raw(format::PackHead::size_bytes);
  TRY_DO(in.finish("origin record"));
  std::copy(author.begin(), author.end(), pack.author.begin());
  pack.head = TRY(format::decode_pack_head(head));
  return pack;
}

Result<crypto::Secret32> SessionSecrets::open(const PackOrigin& origin, const format::PackHead& head) {
  {
    const MutexLock lock(mutex_);
    const auto known = opened_.find({head.sealed_secret, origin.author, origin.epoch});
    if (known != opened_.end()) return known->second.clone();
  }
  const EpochKeys* keys = keys_.find(origin.epoch);
  if (keys == nullptr) return Error(ErrorCode::denied, "no keys of epoch " + std::to_string(origin.epoch));
  if (!keys->data_private) {
    return Error(ErrorCode::denied, "this credential cannot read stored content")
        .with_hint("Agents only write. Use the owner's passphrase or key.");
  }
  const crypto::SecretBytes secret =
      TRY(crypto::open_box(*keys->data_private, session_secret_context(origin), head.sealed_secret));
  if (secret.size() != crypto::Secret32::size_bytes) return Error(ErrorCode::corrupt, "session secret: wrong size");
  const MutexLock lock(mutex_);
  opened_[{head.sealed_secret, origin.author, origin.epoch}] = crypto::Secret32::from(secret.view());
  return crypto::Secret32::from(secret.view());
}

RecordReader::RecordReader(store::ObjectStore& store, VaultId vault, const DomainKeys& keys, const IdKeys& ids,
                           SessionSecrets& secrets)
    : store_(store), vault_(vault), keys_(keys), id_checker_(ids), secrets_(secrets) {}

PackOrigin RecordReader::origin_of(const format::PackInfo& pack) const {
  PackOrigin origin;
  origin.vault = vault_;
  origin.domain = keys_.domain;
  origin.epoch = pack.epoch;
  origin.author.value = pack.author;
  origin.kind = static_cast<PackKind>(pack.kind);
  origin.salt = pack.head.salt;
  return origin;
}

Result<RecordReader::Keys*> RecordReader::keys_for(const format::PackInfo& pack) {
  const PackBinding binding = binding_of(pack);
  const auto known = pack_keys_.find(binding);
  if (known != pack_keys_.end()) return &known->second;
  const EpochKeys* epoch = keys_.find(pack.epoch);
  if (epoch == nullptr) {
    return Error(ErrorCode::denied, "pack " + to_hex(pack.id) + ": no keys of epoch " + std::to_string(pack.epoch));
  }
  Keys keys;
  keys.header = std::make_unique<HeaderKeys>(epoch->metadata_key, origin_of(pack));
  if (!crypto::equal_constant_time(keys.header->commitment(), pack.head.commitment)) {
    return Error(ErrorCode::corrupt, "pack " + to_hex(pack.id) + ": its head is not of this vault, domain or author");
  }
  if (pack_keys_.size() >= cached_packs_max) pack_keys_.clear();
  return &(pack_keys_[binding] = std::move(keys));
}

Status RecordReader::check_head(const format::PackInfo& pack) {
  (void)TRY(keys_for(pack));
  return {};
}

Result<format::RecordHeader> RecordReader::open_header(const format::PackInfo& pack, ByteView bytes) {
  if (bytes.size() < format::record_prefix_size_bytes) return Error(ErrorCode::corrupt, "record: truncated");
  Keys* keys = TRY(keys_for(pack));
  std::array<std::byte, format::RecordHeader::size_bytes> plain;
  TRY_DO(keys->header->open("header", nonce_of(bytes), bytes.subspan(header_offset, sealed_header_size), plain)
             .during("record header"));
  const format::RecordHeader header = TRY(format::decode_record_header(plain));
  const auto tag = keys->header->tag(header.ordinal);
  if (std::memcmp(tag.data(), bytes.data(), tag.size()) != 0) return Error(ErrorCode::corrupt, "record: wrong tag");
  return header;
}

Result<std::vector<format::Piece>> RecordReader::open_pieces(const format::PackInfo& pack,
                                                             const format::RecordHeader& header, ByteView bytes) {
  const size_t sealed_size = header.piece_table_size_bytes + crypto::aead_tag_size_bytes;
  if (bytes.size() < format::record_prefix_size_bytes + sealed_size) {
    return Error(ErrorCode::corrupt, "record: truncated");
  }
  Keys* keys = TRY(keys_for(pack));
  Bytes table(header.piece_table_size_bytes);
  TRY_DO(keys->header
             ->open("pieces", nonce_of(bytes), bytes.subspan(format::record_prefix_size_bytes, sealed_size), table)
             .during("piece table"));
  return format::decode_piece_table(table, header.plain_size_bytes);
}

Result<std::vector<format::RecordHeader>> RecordReader::open_contents(const format::PackInfo& pack, ByteView whole) {
  if (whole.size() < format::pack_size_bytes_min) return Error(ErrorCode::corrupt, "pack: truncated");
  const size_t tail_offset = whole.size() - format::pack_tail_size_bytes;
  std::array<std::byte, format::PackHead::size_bytes> head;
  format::encode_pack_head(pack.head, head);
  if (!equal(head, whole.first(head.size())) || !equal(head, whole.subspan(tail_offset, head.size()))) {
    return Error(ErrorCode::corrupt, "pack: its head is not the one that the index knows");
  }
  Keys* keys = TRY(keys_for(pack));
  const auto nonce_at = [&](size_t offset) {
    HeaderKeys::NonceBytes nonce;
    std::memcpy(nonce.data(), whole.data() + offset, nonce.size());
    return nonce;
  };
  const size_t footer_offset = tail_offset + head.size() + crypto::signature_size_bytes;
  std::array<std::byte, format::PackFooter::size_bytes> footer_plain;
  TRY_DO(keys->header
             ->open("footer", nonce_at(footer_offset), whole.subspan(footer_offset + crypto::aead_nonce_size_bytes),
                    footer_plain)
             .during("pack footer"));
  const format::PackFooter footer = TRY(format::decode_pack_footer(footer_plain));
  constexpr size_t overhead = crypto::aead_nonce_size_bytes + crypto::aead_tag_size_bytes;
  if (footer.contents_size_bytes < overhead ||
      footer.contents_offset_bytes + footer.contents_size_bytes > tail_offset) {
    return Error(ErrorCode::corrupt, "pack footer: contents beyond the pack");
  }
  Bytes plain(footer.contents_size_bytes - overhead);
  const size_t sealed_offset = footer.contents_offset_bytes + crypto::aead_nonce_size_bytes;
  TRY_DO(keys->header
             ->open("contents", nonce_at(footer.contents_offset_bytes),
                    whole.subspan(sealed_offset, plain.size() + crypto::aead_tag_size_bytes), plain)
             .during("pack contents"));
  std::vector<format::RecordHeader> headers = TRY(format::decode_contents(plain));
  uint64_t end = format::PackHead::size_bytes;
  for (const format::RecordHeader& header : headers) end += format::record_size_bytes(header);
  if (headers.size() != footer.record_count || end != footer.contents_offset_bytes) {
    return Error(ErrorCode::corrupt, "pack contents: do not fit the pack");
  }
  return headers;
}

Result<format::PackInfo> RecordReader::open_origin(const format::PackInfo& pack, ByteView bytes) {
  const format::RecordHeader header = TRY(open_header(pack, bytes));
  if (header.origin_offset_bytes != 0 || bytes.size() < format::record_size_bytes(header)) {
    return Error(ErrorCode::corrupt, "record: its origin is no origin record");
  }
  Keys* keys = TRY(keys_for(pack));
  // Origin records are metadata wherever they stand: sealed like headers. Nothing else is sealed as "origin", so what
  // opens is one, whatever kind its header says.
  Bytes body(header.content_size_bytes);
  TRY_DO(keys->header
             ->open("origin", nonce_of(bytes),
                    bytes.subspan(format::record_prefix_size_bytes, body.size() + crypto::aead_tag_size_bytes), body)
             .during("origin record"));
  return decode_origin_body(body);
}

Result<format::PackInfo> RecordReader::read_origin(const format::PackInfo& pack, uint32_t offset_bytes) {
  // It stands earlier in the same pack; its size is that of any origin record.
  Bytes record(origin_record_size_bytes);
  const std::string key = pack_key(static_cast<PackKind>(pack.kind), keys_.domain, AuthorId{pack.author}, pack.id);
  TRY_DO(store_.read(key, offset_bytes, record).during("origin record"));
  return open_origin(pack, record);
}

Result<format::PackInfo> RecordReader::origin_of_record(const format::PackInfo& pack,
                                                        const format::RecordHeader& header) {
  if (header.origin_offset_bytes == 0) return pack;
  return read_origin(pack, header.origin_offset_bytes);
}

Result<ContentKeys*> RecordReader::foreign_content_keys(const format::PackInfo& pack,
                                                        const format::RecordHeader& header) {
  const auto place = std::pair(binding_of(pack), header.origin_offset_bytes);
  if (const auto known = moved_keys_.find(place); known != moved_keys_.end()) return known->second.get();
  const format::PackInfo origin = TRY(read_origin(pack, header.origin_offset_bytes));
  if (foreign_keys_.size() >= cached_packs_max || moved_keys_.size() >= cached_packs_max) {
    foreign_keys_.clear();
    moved_keys_.clear();
  }
  auto& content = foreign_keys_[binding_of(origin)];
  if (!content) {
    const PackOrigin sealed_in = origin_of(origin);
    if (sealed_in.kind == PackKind::metadata) {
      const EpochKeys* epoch = keys_.find(origin.epoch);
      if (epoch == nullptr) return Error(ErrorCode::denied, "no keys of epoch " + std::to_string(origin.epoch));
      content = std::make_shared<ContentKeys>(epoch->metadata_key, sealed_in);
    } else {
      content = std::make_shared<ContentKeys>(TRY(secrets_.open(sealed_in, origin.head)), sealed_in);
    }
  }
  return (moved_keys_[place] = content).get();
}

Result<ContentKeys*> RecordReader::content_keys(const format::PackInfo& pack, const format::RecordHeader& header,
                                                Keys& keys) {
  if (header.origin_offset_bytes != 0) return foreign_content_keys(pack, header);
  if (!keys.content) {
    const PackOrigin origin = origin_of(pack);
    if (origin.kind == PackKind::metadata) {
      keys.content = std::make_unique<ContentKeys>(keys_.find(pack.epoch)->metadata_key, origin);
    } else {
      const crypto::Secret32 secret = TRY(secrets_.open(origin, pack.head));
      keys.content = std::make_unique<ContentKeys>(secret, origin);
    }
  }
  return keys.content.get();
}

Result<OpenedRecord> RecordReader::open(const format::PackInfo& pack, ByteView bytes) {
  OpenedRecord opened;
  opened.header = TRY(open_header(pack, bytes));
  const format::RecordHeader& header = opened.header;
  if (bytes.size() < format::record_size_bytes(header)) return Error(ErrorCode::corrupt, "record: truncated");
  if (header.kind == format::RecordKind::origin) return Error(ErrorCode::corrupt, "record: holds no content");
  if ((header.kind == format::RecordKind::node) != (pack.kind == static_cast<uint8_t>(PackKind::metadata))) {
    return Error(ErrorCode::corrupt, "record: of a kind that does not belong in its pack");
  }
  size_t content_offset = format::record_prefix_size_bytes;
  if (header.piece_table_size_bytes > 0) {
    pieces_ = TRY(open_pieces(pack, header, bytes));
    opened.pieces = &pieces_;
    content_offset += header.piece_table_size_bytes + crypto::aead_tag_size_bytes;
  }
  Keys* keys = TRY(keys_for(pack));
  ContentKeys* content = TRY(content_keys(pack, header, *keys));
  if (opened_.size() < header.content_size_bytes) opened_.resize(header.content_size_bytes);
  const MutableByteView compressed = MutableByteView(opened_).first(header.content_size_bytes);
  TRY_DO(content->open(header, bytes.subspan(content_offset, header.content_size_bytes + crypto::aead_tag_size_bytes),
                       compressed).during("chunk " + to_hex(header.id)));
  opened.plain = compressed;
  if (header.codec == format::Codec::zstd) {
    if (plain_.size() < header.plain_size_bytes) plain_.resize(header.plain_size_bytes);
    const MutableByteView plain = MutableByteView(plain_).first(header.plain_size_bytes);
    TRY_DO(decompressor_.decompress(compressed, plain).during("chunk " + to_hex(header.id)));
    opened.plain = plain;
  }
  if (!keys_.id_key.is_none()) {
    TRY_DO(id_checker_.check(header, opened.plain, pieces_));
    if (header.kind == format::RecordKind::bundle) opened.piece_ids = &id_checker_.piece_ids();
  }
  return opened;
}

Result<OpenedRecord> RecordReader::read(const Location& location) {
  Result<OpenedRecord> opened = read_once(location);
  if (opened || opened.error().code() != ErrorCode::corrupt || !mend(*location.pack)) return opened;
  return read_once(location);
}

// Has the store mend the pack, if it can; once each.
bool RecordReader::mend(const format::PackInfo& pack) {
  const auto [known, is_new] = mended_.try_emplace(pack.id, false);
  if (!is_new) return known->second;
  const std::string key = pack_key(static_cast<PackKind>(pack.kind), keys_.domain, AuthorId{pack.author}, pack.id);
  const auto examined = store_.examine(key, store::Repair::write_back);
  known->second = examined.has_value();
  return known->second;
}

Result<OpenedRecord> RecordReader::read_once(const Location& location) {
  if (record_.size() < location.size_bytes) record_.resize(location.size_bytes);
  const MutableByteView bytes = MutableByteView(record_).first(location.size_bytes);
  const format::PackInfo& pack = *location.pack;
  const std::string key = pack_key(static_cast<PackKind>(pack.kind), keys_.domain, AuthorId{pack.author}, pack.id);
  TRY_DO(store_.read(key, location.offset_bytes, bytes));
  return open(pack, bytes).during("pack " + to_hex(pack.id) + " at " + std::to_string(location.offset_bytes));
}

}  // namespace holdfast::vault
