// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <optional>

#include "base/byte_io.h"
#include "crypto/testing.h"
#include "format/entry.h"
#include "format/index_segment.h"
#include "format/log_record.h"
#include "format/pack.h"
#include "format/recovery_point.h"

// What holds for every decoder of what packs, index and log contain: what decodes encodes to the same bytes, nothing
// shorter or longer decodes, and damage is `corrupt` or another value, never a crash or a large allocation.
namespace holdfast::format {
namespace {

// Decodes and encodes again; the error if it does not decode.
using Again = std::function<Result<Bytes>(ByteView)>;

template <auto decode>
Result<Bytes> again_with_encode(ByteView bytes) {
  return encode(TRY(decode(bytes)));
}

RecordHeader sample_header(crypto::SeededRng& rng, uint32_t ordinal) {
  RecordHeader header;
  header.ordinal = header.origin_ordinal = ordinal;
  header.kind = ordinal % 3 == 2 ? RecordKind::bundle : RecordKind::chunk;
  header.codec = ordinal % 2 == 0 ? Codec::zstd : Codec::raw;
  header.level = 3;
  header.plain_size_bytes = 5'000;
  header.content_size_bytes = header.codec == Codec::zstd ? 4'000 : 5'000;
  header.piece_table_size_bytes = header.kind == RecordKind::bundle ? 77 : 0;
  rng.fill(header.id.value);
  return header;
}

SegmentContents sample_segment(crypto::SeededRng& rng, size_t chunk_count) {
  SegmentContents contents;
  for (uint32_t pack = 0; pack < 3; ++pack) {
    PackInfo info;
    rng.fill(info.id.value);
    rng.fill(info.author);
    rng.fill(info.head.salt);
    info.kind = static_cast<uint8_t>(1 + pack % 2);
    info.size_bytes = 1 << 20;
    contents.packs.push_back(info);
  }
  contents.replaces.push_back(ObjectId::from(rng.bytes(32)));
  for (size_t count = 0; count < chunk_count; ++count) {
    ChunkLocation chunk;
    rng.fill(chunk.id);
    chunk.pack = static_cast<uint32_t>(rng.below(3));
    chunk.offset_bytes = static_cast<uint32_t>(rng.below(1 << 19));
    chunk.size_bytes = static_cast<uint32_t>(rng.below(1 << 19));
    chunk.plain_size_bytes = static_cast<uint32_t>(rng.below(1 << 20));
    contents.chunks.push_back(chunk);
    for (uint64_t piece = 0; piece < count % 3; ++piece) {
      PieceLocation location;
      rng.fill(location.id);
      location.bundle = static_cast<uint32_t>(count);
      contents.pieces.push_back(location);
    }
  }
  return contents;
}

Result<Bytes> segment_again(ByteView bytes) {
  const SegmentView view = TRY(SegmentView::decode(bytes));
  SegmentContents contents;
  contents.packs = view.packs();
  contents.replaces = view.replaces();
  contents.order = view.order();
  for (size_t place = 0; place < view.chunk_count(); ++place) contents.chunks.push_back(view.chunk(place));
  for (size_t place = 0; place < view.piece_count(); ++place) contents.pieces.push_back(view.piece(place));
  return encode_segment(std::move(contents));
}

RecoveryPoint sample_point() {
  RecoveryPoint point;
  point.session.fill(std::byte{7});
  point.parent.value.fill(std::byte{8});
  point.kind = "files";
  point.host = "host";
  point.roots = {"/etc", "/home"};
  point.tags = {"a", "b"};
  point.begun = -5;
  point.ended = INT64_MAX;
  point.entries = {.node = ChunkId::from(point.parent.view()), .height = 3, .entry_count = 1'000'000};
  point.size_bytes = UINT64_MAX;
  point.program_version = "0.1";
  return point;
}

struct Form {
  std::string name;
  Bytes bytes;
  Again again;
};

std::vector<Form> forms() {
  crypto::SeededRng rng(1);
  std::vector<Form> all;
  Bytes header(RecordHeader::size_bytes);
  encode_record_header(sample_header(rng, 2), header);
  all.push_back({"record header", header, [](ByteView bytes) -> Result<Bytes> {
                   Bytes out(RecordHeader::size_bytes);
                   encode_record_header(TRY(decode_record_header(bytes)), out);
                   return out;
                 }});
  Bytes table;
  encode_piece_table(table, {{short_id(ChunkId::from(rng.bytes(32))), 100}, {short_id(ChunkId::from(rng.bytes(32))), 300}});
  all.push_back({"piece table", table, [](ByteView bytes) -> Result<Bytes> {
                   Bytes out;
                   encode_piece_table(out, TRY(decode_piece_table(bytes, 400)));
                   return out;
                 }});
  Bytes contents;
  encode_contents(contents, {sample_header(rng, 0), sample_header(rng, 1), sample_header(rng, 2)});
  all.push_back({"pack contents", contents, [](ByteView bytes) -> Result<Bytes> {
                   Bytes out;
                   encode_contents(out, TRY(decode_contents(bytes)));
                   return out;
                 }});
  Bytes footer(PackFooter::size_bytes);
  encode_pack_footer({.contents_offset_bytes = 1'000, .contents_size_bytes = 200, .record_count = 3}, footer);
  all.push_back({"pack footer", footer, [](ByteView bytes) -> Result<Bytes> {
                   Bytes out(PackFooter::size_bytes);
                   encode_pack_footer(TRY(decode_pack_footer(bytes)), out);
                   return out;
                 }});
  all.push_back({"index segment", encode_segment(sample_segment(rng, 7)), segment_again});
  LogEnvelope envelope;
  envelope.number = 9;
  envelope.time = -1;
  envelope.kind = LogKind::forget;
  envelope.sealed_body = rng.bytes(40);
  all.push_back({"log record", encode_log_envelope(envelope), [](ByteView bytes) -> Result<Bytes> {
                   return encode_log_envelope(TRY(decode_log_envelope(bytes)));
                 }});
  SessionId session{};
  session.fill(std::byte{3});
  const ObjectId point = ObjectId::from(rng.bytes(32));
  all.push_back({"session body", encode(SessionBody{session, "host", "backup"}), again_with_encode<decode_session_body>});
  all.push_back({"end body", encode(EndBody{session}), again_with_encode<decode_end_body>});
  all.push_back({"fence body", encode(FenceBody{{session, session}}), again_with_encode<decode_fence_body>});
  all.push_back({"forget body", encode(ForgetBody{{point, point}}), again_with_encode<decode_forget_body>});
  all.push_back({"annotate body", encode(AnnotateBody{point, {"x", "yy"}}), again_with_encode<decode_annotate_body>});
  all.push_back({"recovery point", encode(sample_point()), again_with_encode<decode_recovery_point>});
  Bytes entry;
  ByteWriter out(entry);
  const Again entry_again = [](ByteView bytes) -> Result<Bytes> {
    const Entry decoded = TRY(decode_entry(bytes));
    Bytes encoded;
    ByteWriter writer(encoded);
    encode_entry(writer, decoded.kind, decoded.attributes, decoded.content, decoded.whole_attributes);
    return encoded;
  };
  // Of a kind that nobody knows yet: docs/format.md 14.4.
  encode_entry(out, static_cast<EntryKind>(127), rng.bytes(20), ContentPiece{ChunkId::from(rng.bytes(32)), 17}, {});
  all.push_back({"entry", entry, entry_again});
  const ContentInline whole{{Extent::of_chunk(ChunkId::from(rng.bytes(32)), 60'000)}};
  Bytes large_entry;
  ByteWriter large_out(large_entry);
  encode_entry(large_out, EntryKind::file, rng.bytes(20), {}, whole);
  all.push_back({"entry whose attributes stand apart", large_entry, entry_again});
  return all;
}

TEST(StoredFormsTest, all_come_back_as_they_were) {
  for (const Form& form : forms()) {
    const auto again = form.again(form.bytes);
    ASSERT_TRUE(again) << form.name << ": " << again.error().message();
    EXPECT_EQ(*again, form.bytes) << form.name;
  }
}

TEST(StoredFormsTest, nothing_shorter_or_longer_decodes) {
  for (const Form& form : forms()) {
    for (size_t size = 0; size < form.bytes.size(); ++size) {
      const auto again = form.again(ByteView(form.bytes).first(size));
      ASSERT_FALSE(again) << form.name << " of " << size;
      EXPECT_EQ(again.error().code(), ErrorCode::corrupt) << form.name;
    }
    Bytes longer = form.bytes;
    longer.push_back(std::byte{0});
    EXPECT_FALSE(form.again(longer)) << form.name;
  }
}

TEST(StoredFormsTest, any_flipped_bit_is_corrupt_or_says_something_else) {
  for (const Form& form : forms()) {
    Bytes bytes = form.bytes;
    for (size_t bit = 0; bit < bytes.size() * 8; ++bit) {
      bytes[bit / 8] ^= static_cast<std::byte>(1u << (bit % 8));
      const auto again = form.again(bytes);
      if (again) {
        ASSERT_EQ(*again, bytes) << form.name << " bit " << bit;
      } else {
        // A version, or the tag of a field, may have become a later one.
        const ErrorCode code = again.error().code();
        ASSERT_TRUE(code == ErrorCode::corrupt || code == ErrorCode::unsupported) << form.name << " bit " << bit;
      }
      bytes[bit / 8] ^= static_cast<std::byte>(1u << (bit % 8));
    }
  }
}

// docs/format.md 14.4: its content can be followed by whoever cannot tell what it is.
TEST(StoredFormsTest, entries_of_later_kinds_are_none_of_files_and_none_of_buckets) {
  const auto later = static_cast<EntryKind>(3);
  EXPECT_EQ(expect_kind(later, EntryKind::file).error().code(), ErrorCode::unsupported);
  EXPECT_EQ(expect_kind(later, EntryKind::bucket).error().code(), ErrorCode::unsupported);
  EXPECT_EQ(expect_kind(EntryKind::file, EntryKind::bucket).error().code(), ErrorCode::corrupt);
  EXPECT_TRUE(expect_kind(EntryKind::file, EntryKind::file));
}

TEST(StoredFormsTest, what_later_versions_wrote_is_not_taken_for_damage) {
  Bytes point = encode(sample_point());
  point.front() = std::byte{2};
  EXPECT_EQ(decode_recovery_point(point).error().code(), ErrorCode::unsupported);
  EXPECT_TRUE(is_of_newer_version(point));
  EXPECT_FALSE(is_of_newer_version(encode(sample_point())));
  EXPECT_FALSE(is_of_newer_version({}));
  crypto::SeededRng rng(3);
  Bytes segment = encode_segment(sample_segment(rng, 3));
  segment.front() = std::byte{2};
  EXPECT_EQ(SegmentView::decode(segment).error().code(), ErrorCode::unsupported);
}

TEST(StoredFormsTest, counts_beyond_their_bytes_are_corrupt) {
  Bytes huge;
  ByteWriter out(huge);
  out.varint(UINT64_MAX);
  huge.resize(64, std::byte{0});
  EXPECT_FALSE(decode_piece_table(huge, 0));
  EXPECT_FALSE(decode_contents(huge));
  EXPECT_FALSE(decode_fence_body(huge));
  EXPECT_FALSE(decode_forget_body(huge));
  Bytes segment;
  ByteWriter head(segment);
  head.u8(1);
  head.fixed(uint64_t{0});
  for (int field = 0; field < 4; ++field) head.fixed(UINT32_MAX);
  EXPECT_FALSE(SegmentView::decode(segment));
}

TEST(IndexSegmentTest, finds_what_a_map_finds) {
  for (const size_t chunk_count : {0u, 1u, 2u, 17u, 1'000u, 300'000u}) {
    crypto::SeededRng rng(chunk_count + 5);
    SegmentContents contents = sample_segment(rng, chunk_count);
    std::map<ShortId, uint32_t> chunks, pieces;
    for (const ChunkLocation& chunk : contents.chunks) chunks.emplace(chunk.id, chunk.offset_bytes);
    for (const PieceLocation& piece : contents.pieces) {
      pieces.emplace(piece.id, contents.chunks[piece.bundle].offset_bytes);
    }
    const Bytes bytes = encode_segment(std::move(contents));
    const auto view = SegmentView::decode(bytes);
    ASSERT_TRUE(view);
    ASSERT_EQ(view->chunk_count(), chunks.size());
    for (const auto& [id, offset] : chunks) {
      const auto place = view->find_chunk(id);
      ASSERT_TRUE(place.has_value());
      ASSERT_EQ(view->chunk(*place).offset_bytes, offset);
      ShortId near = id;  // What is not there, next to what is.
      near.back() ^= std::byte{1};
      ASSERT_EQ(view->find_chunk(near).has_value(), chunks.contains(near));
    }
    for (const auto& [id, offset] : pieces) {
      const auto place = view->find_piece(id);
      ASSERT_TRUE(place.has_value());
      ASSERT_EQ(view->chunk(view->piece(*place).bundle).offset_bytes, offset);
    }
    for (int count = 0; count < 1'000; ++count) {
      ShortId id;
      rng.fill(id);
      ASSERT_EQ(view->find_chunk(id).has_value(), chunks.contains(id));
    }
    for (const std::byte end : {std::byte{0}, std::byte{255}}) {
      ShortId id;
      id.fill(end);
      ASSERT_FALSE(view->find_chunk(id).has_value());
    }
  }
}

TEST(IndexSegmentTest, crafted_ids_are_found_as_well) {
  crypto::SeededRng rng(8);
  SegmentContents contents = sample_segment(rng, 2'000);
  for (size_t place = 0; place < contents.chunks.size(); ++place) {
    // All but the last bytes are alike, with an outlier at either end: guesses by proportion lead nowhere.
    ShortId& id = contents.chunks[place].id;
    id.fill(place == 0 ? std::byte{0} : place == 1 ? std::byte{255} : std::byte{7});
    id[14] = static_cast<std::byte>(place >> 8);
    id[15] = static_cast<std::byte>(place & 255);
  }
  const std::vector<ChunkLocation> chunks = contents.chunks;
  const Bytes bytes = encode_segment(std::move(contents));
  const auto view = SegmentView::decode(bytes);
  ASSERT_TRUE(view);
  for (const ChunkLocation& chunk : chunks) EXPECT_TRUE(view->find_chunk(chunk.id).has_value());
}

}  // namespace
}  // namespace holdfast::format
