// SPDX-License-Identifier: Apache-2.0
#include "format/pack.h"

#include "base/byte_io.h"
#include "base/check.h"

namespace holdfast::format {

namespace {

void copy_to(MutableByteView out, size_t offset, ByteView bytes) {
  std::memcpy(out.data() + offset, bytes.data(), bytes.size());
}
template <class T>
void store_at(MutableByteView out, size_t offset, T value) {
  std::memcpy(out.data() + offset, &value, sizeof value);
}
template <size_t N>
void take(ByteReader& in, std::array<std::byte, N>& out) {
  const ByteView bytes = in.raw(N);
  if (bytes.size() == N) std::memcpy(out.data(), bytes.data(), N);
}

RecordHeader read_record_header(ByteReader& in) {
  RecordHeader header;
  header.ordinal = in.fixed<uint32_t>();
  header.kind = static_cast<RecordKind>(in.u8());
  header.codec = static_cast<Codec>(in.u8());
  header.level = in.u8();
  header.encoder = in.u8();
  header.plain_size_bytes = in.fixed<uint32_t>();
  header.content_size_bytes = in.fixed<uint32_t>();
  header.piece_table_size_bytes = in.fixed<uint32_t>();
  header.origin_offset_bytes = in.fixed<uint32_t>();
  header.origin_ordinal = in.fixed<uint32_t>();
  take(in, header.id.value);
  return header;
}

Status check_record_header(const RecordHeader& header) {
  const auto kind = static_cast<uint8_t>(header.kind);
  if (kind < 1 || kind > 4) return Error(ErrorCode::corrupt, "record header: unknown kind");
  if (static_cast<uint8_t>(header.codec) > 1) return Error(ErrorCode::corrupt, "record header: unknown codec");
  if (header.plain_size_bytes > record_plain_size_bytes_max ||
      header.content_size_bytes > record_plain_size_bytes_max ||
      header.piece_table_size_bytes > record_plain_size_bytes_max) {
    return Error(ErrorCode::corrupt, "record header: size beyond its bound");
  }
  if (header.codec == Codec::raw && header.content_size_bytes != header.plain_size_bytes) {
    return Error(ErrorCode::corrupt, "record header: raw content of another size");
  }
  if ((header.kind == RecordKind::bundle) != (header.piece_table_size_bytes > 0)) {
    return Error(ErrorCode::corrupt, "record header: piece table missing or unexpected");
  }
  return {};
}

}  // namespace

void encode_pack_head(const PackHead& head, MutableByteView out) {
  CHECK(out.size() == PackHead::size_bytes);
  copy_to(out, 0, head.salt);
  copy_to(out, 32, head.commitment);
  copy_to(out, 64, head.sealed_secret);
}

Result<PackHead> decode_pack_head(ByteView bytes) {
  if (bytes.size() != PackHead::size_bytes) return Error(ErrorCode::corrupt, "pack head: wrong size");
  ByteReader in(bytes);
  PackHead head;
  take(in, head.salt);
  take(in, head.commitment);
  take(in, head.sealed_secret);
  return head;
}

void encode_record_header(const RecordHeader& header, MutableByteView out) {
  CHECK(out.size() == RecordHeader::size_bytes);
  store_at(out, 0, header.ordinal);
  store_at(out, 4, header.kind);
  store_at(out, 5, header.codec);
  store_at(out, 6, header.level);
  store_at(out, 7, header.encoder);
  store_at(out, 8, header.plain_size_bytes);
  store_at(out, 12, header.content_size_bytes);
  store_at(out, 16, header.piece_table_size_bytes);
  store_at(out, 20, header.origin_offset_bytes);
  store_at(out, 24, header.origin_ordinal);
  copy_to(out, 28, header.id.view());
}
static_assert(RecordHeader::size_bytes == 28 + 32, "docs/format.md 4.2");

Result<RecordHeader> decode_record_header(ByteView bytes) {
  ByteReader in(bytes);
  const RecordHeader header = read_record_header(in);
  TRY_DO(in.finish("record header"));
  TRY_DO(check_record_header(header));
  return header;
}

uint64_t record_size_bytes(const RecordHeader& header) {
  const uint64_t table = header.piece_table_size_bytes > 0 ? header.piece_table_size_bytes + 16u : 0u;
  return record_prefix_size_bytes + table + header.content_size_bytes + 16;
}

ShortId short_id(const ChunkId& id) {
  ShortId half;
  std::memcpy(half.data(), id.value.data(), half.size());
  return half;
}

void encode_piece_table(Bytes& out, const std::vector<Piece>& pieces) {
  ByteWriter writer(out);
  writer.varint(pieces.size());
  for (const Piece& piece : pieces) {
    writer.raw(piece.id);
    writer.varint(piece.size_bytes);
  }
}

Result<std::vector<Piece>> decode_piece_table(ByteView bytes, uint64_t plain_size_bytes) {
  ByteReader in(bytes);
  const uint64_t count = in.varint();
  if (count > in.remaining() / 17) return Error(ErrorCode::corrupt, "piece table: more pieces than bytes");
  std::vector<Piece> pieces(static_cast<size_t>(count));
  uint64_t sum = 0;
  for (Piece& piece : pieces) {
    take(in, piece.id);
    const uint64_t size = in.varint();
    if (size > record_plain_size_bytes_max) return Error(ErrorCode::corrupt, "piece table: size beyond its bound");
    piece.size_bytes = static_cast<uint32_t>(size);
    sum += size;
  }
  TRY_DO(in.finish("piece table"));
  if (sum != plain_size_bytes) return Error(ErrorCode::corrupt, "piece table: sizes do not add up");
  return pieces;
}

void encode_contents(Bytes& out, const std::vector<RecordHeader>& headers) {
  ByteWriter(out).varint(headers.size());
  const size_t at = out.size();
  out.resize(at + headers.size() * RecordHeader::size_bytes);
  for (size_t place = 0; place < headers.size(); ++place) {
    encode_record_header(headers[place], MutableByteView(out).subspan(at + place * RecordHeader::size_bytes,
                                                                      RecordHeader::size_bytes));
  }
}

Result<std::vector<RecordHeader>> decode_contents(ByteView bytes) {
  ByteReader in(bytes);
  const uint64_t count = in.varint();
  if (count > in.remaining() / RecordHeader::size_bytes) {
    return Error(ErrorCode::corrupt, "pack contents: more records than bytes");
  }
  std::vector<RecordHeader> headers(static_cast<size_t>(count));
  uint32_t ordinal = 0;
  for (RecordHeader& header : headers) {
    header = read_record_header(in);
    TRY_DO(check_record_header(header).during("pack contents"));
    if (header.ordinal != ordinal++) return Error(ErrorCode::corrupt, "pack contents: ordinals out of order");
  }
  TRY_DO(in.finish("pack contents"));
  return headers;
}

void encode_pack_footer(const PackFooter& footer, MutableByteView out) {
  CHECK(out.size() == PackFooter::size_bytes);
  store_at(out, 0, footer.contents_offset_bytes);
  store_at(out, 8, footer.contents_size_bytes);
  store_at(out, 16, footer.record_count);
}

Result<PackFooter> decode_pack_footer(ByteView bytes) {
  ByteReader in(bytes);
  PackFooter footer;
  footer.contents_offset_bytes = in.fixed<uint64_t>();
  footer.contents_size_bytes = in.fixed<uint64_t>();
  footer.record_count = in.fixed<uint32_t>();
  TRY_DO(in.finish("pack footer"));
  if (footer.contents_offset_bytes > pack_size_bytes_max || footer.contents_size_bytes > pack_size_bytes_max) {
    return Error(ErrorCode::corrupt, "pack footer: size beyond its bound");
  }
  return footer;
}

}  // namespace holdfast::format
