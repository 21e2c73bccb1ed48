// SPDX-License-Identifier: Apache-2.0
#include "tests/hostile/craft.h"

#include "base/byte_io.h"
#include "base/check.h"
#include "codec/compress.h"
#include "crypto/box.h"
#include "vault/open_pack.h"

namespace holdfast::hostile {

Bytes craft_log_record(format::LogEnvelope envelope, ByteView body, const crypto::Secret32& metadata_key,
                       const crypto::SigningKey& signer, Rng& rng) {
  const Bytes context = format::log_body_context(envelope);
  envelope.sealed_body = crypto::seal_with(metadata_key, context, body, rng);
  Bytes bytes = format::encode_log_envelope(envelope);
  const crypto::Signature signature = signer.sign("holdfast v1 log record", bytes);
  bytes.insert(bytes.end(), signature.begin(), signature.end());
  return bytes;
}

Bytes craft_segment(const SegmentClaim& claim, const format::SegmentContents& contents,
                    const crypto::Secret32& metadata_key, const crypto::SigningKey& signer, Rng& rng) {
  const Bytes plain = format::encode_segment(contents);
  Bytes packed;
  ByteWriter(packed).fixed(static_cast<uint64_t>(plain.size()));
  Bytes frame(codec::compressed_size_bytes_max(plain.size()));
  codec::Compressor compressor;
  frame.resize(*compressor.compress(plain, frame, 1));
  append(packed, frame);
  Bytes context = to_bytes(std::string_view("holdfast v1 index segment"));
  ByteWriter out(context);
  out.raw(claim.vault.view());
  out.fixed(claim.domain);
  out.fixed(claim.epoch);
  out.raw(claim.author.value);
  Bytes object;
  ByteWriter to(object);
  to.u8(1);
  to.fixed(claim.epoch);
  to.raw(crypto::seal_with(metadata_key, context, packed, rng));
  to.raw(signer.sign("holdfast v1 index segment", crypto::hash(object)));
  return object;
}

namespace {

void place(const vault::OpenPack::Slot& slot, const CraftedRecord& record, vault::HeaderKeys& keys,
           vault::ContentKeys& content_keys) {
  std::array<std::byte, format::RecordHeader::size_bytes> plain;
  format::encode_record_header(record.header, plain);
  const auto tag = keys.tag(record.header.ordinal);
  const auto nonce = keys.nonce(plain);
  MutableByteView out = slot.bytes;
  const auto next = [&](size_t size_bytes) {
    const MutableByteView part = out.first(size_bytes);
    out = out.subspan(size_bytes);
    return part;
  };
  std::memcpy(next(tag.size()).data(), tag.data(), tag.size());
  std::memcpy(next(nonce.size()).data(), nonce.data(), nonce.size());
  keys.seal("header", nonce, plain, next(plain.size() + crypto::aead_tag_size_bytes));
  if (!record.piece_table.empty()) {
    keys.seal("pieces", nonce, record.piece_table, next(record.piece_table.size() + crypto::aead_tag_size_bytes));
  }
  content_keys.seal(record.header, record.content, next(record.content.size() + crypto::aead_tag_size_bytes));
  CHECK(out.empty());
}

}  // namespace

CraftedPack craft_pack(const vault::PackOrigin& origin, const crypto::Secret32& metadata_key,
                       const crypto::Secret32& content_secret, const std::array<std::byte, 112>& sealed_secret,
                       std::vector<CraftedRecord> records, const crypto::SigningKey& signer) {
  vault::HeaderKeys keys(metadata_key, origin);
  vault::ContentKeys content_keys(content_secret, origin);
  const format::PackHead head{.salt = origin.salt, .commitment = keys.commitment(), .sealed_secret = sealed_secret};
  vault::OpenPack pack(AlignedBuffer(1 << 20), origin, head, 1);
  CraftedPack crafted;
  for (CraftedRecord& record : records) {
    record.header.content_size_bytes = static_cast<uint32_t>(record.content.size());
    record.header.piece_table_size_bytes = static_cast<uint32_t>(record.piece_table.size());
    const uint64_t size = format::record_size_bytes(record.header);
    const auto slot = pack.reserve(size);
    CHECK(slot.has_value());
    record.header.ordinal = slot->ordinal;
    if (record.header.origin_offset_bytes == 0) record.header.origin_ordinal = slot->ordinal;
    place(*slot, record, keys, content_keys);
    CHECK(!pack.complete({.header = record.header, .offset_bytes = slot->offset_bytes, .pieces = {}}));
    crafted.chunks.push_back({.id = format::short_id(record.header.id),
                              .pack = 0,
                              .offset_bytes = slot->offset_bytes,
                              .size_bytes = static_cast<uint32_t>(size),
                              .plain_size_bytes = record.header.plain_size_bytes});
  }
  CHECK(pack.close());
  const vault::OpenPack::Finished finished = pack.finish(keys, signer);
  crafted.bytes = to_bytes(pack.bytes(finished));
  crafted.info = {.id = finished.id,
                  .kind = static_cast<uint8_t>(origin.kind),
                  .epoch = origin.epoch,
                  .author = origin.author.value,
                  .size_bytes = finished.size_bytes,
                  .head = head};
  return crafted;
}

}  // namespace holdfast::hostile
