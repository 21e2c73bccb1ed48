// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <vector>

#include "base/bytes.h"
#include "base/hash_id.h"
#include "base/result.h"

// The plain structures inside a pack (docs/format.md 4). Sealing is the vault's business; this is bytes <-> structs.
namespace holdfast::format {

inline constexpr uint8_t pack_format_version = 1;

// Stands first in a pack and again near its end. 176 uniform-looking bytes.
struct PackHead {
  static constexpr size_t size_bytes = 176;
  std::array<std::byte, 32> salt{};
  std::array<std::byte, 32> commitment{};       // To the header key.
  std::array<std::byte, 112> sealed_secret{};   // Data packs: the session's secret. Metadata packs: random.
  friend bool operator==(const PackHead&, const PackHead&) = default;
};
void encode_pack_head(const PackHead& head, MutableByteView out);  // REQUIRES: out.size() == 176
Result<PackHead> decode_pack_head(ByteView bytes);

enum class RecordKind : uint8_t {
  chunk = 1,   // A chunk of content.
  bundle = 2,  // Many small files; has a piece table.
  node = 3,    // A tree node. Metadata packs only.
  origin = 4,  // The head of the pack that later records were sealed in (repacking).
};
enum class Codec : uint8_t { raw = 0, zstd = 1 };

inline constexpr uint32_t record_plain_size_bytes_max = 16u << 20;
inline constexpr uint8_t encoder_version = 1;

// What precedes each record's content. docs/format.md 4.2.
struct RecordHeader {
  static constexpr size_t size_bytes = 60;
  uint32_t ordinal = 0;         // Place in this pack.
  RecordKind kind = RecordKind::chunk;
  Codec codec = Codec::raw;
  uint8_t level = 0;
  uint8_t encoder = encoder_version;
  uint32_t plain_size_bytes = 0;
  uint32_t content_size_bytes = 0;      // Stored, without the tag.
  uint32_t piece_table_size_bytes = 0;  // Plain; 0 if there is none.
  uint32_t origin_offset_bytes = 0;     // 0: sealed in this pack. Else: where the origin record stands.
  uint32_t origin_ordinal = 0;          // Place in the pack it was sealed in; equals `ordinal` there.
  ChunkId id;
  friend bool operator==(const RecordHeader&, const RecordHeader&) = default;
};
void encode_record_header(const RecordHeader& header, MutableByteView out);  // REQUIRES: out.size() == 60
// `corrupt` for unknown kinds and codecs and sizes beyond their bounds.
Result<RecordHeader> decode_record_header(ByteView bytes);

// tag 8 | nonce 12 | sealed header 60 + 16
inline constexpr size_t record_tag_size_bytes = 8;
inline constexpr size_t record_prefix_size_bytes = record_tag_size_bytes + 12 + RecordHeader::size_bytes + 16;
// All bytes of a record in the pack.
uint64_t record_size_bytes(const RecordHeader& header);

// The first half of a chunk's or piece's id: what index and piece tables carry.
using ShortId = std::array<std::byte, 16>;
ShortId short_id(const ChunkId& id);

// One small file in a bundle, in the order of the bytes.
struct Piece {
  ShortId id{};
  uint32_t size_bytes = 0;
  friend bool operator==(const Piece&, const Piece&) = default;
};
void encode_piece_table(Bytes& out, const std::vector<Piece>& pieces);
// `corrupt` unless the sizes add up to `plain_size_bytes`.
Result<std::vector<Piece>> decode_piece_table(ByteView bytes, uint64_t plain_size_bytes);

// The pack's table of contents: all headers; offsets follow, since records lie side by side after the head.
void encode_contents(Bytes& out, const std::vector<RecordHeader>& headers);
Result<std::vector<RecordHeader>> decode_contents(ByteView bytes);

// Plain form of the last thing in a pack.
struct PackFooter {
  static constexpr size_t size_bytes = 20;
  uint64_t contents_offset_bytes = 0;
  uint64_t contents_size_bytes = 0;  // Sealed.
  uint32_t record_count = 0;
};
void encode_pack_footer(const PackFooter& footer, MutableByteView out);
Result<PackFooter> decode_pack_footer(ByteView bytes);

// head copy 176 | signature 64 | nonce 12 | sealed footer 20 + 16
inline constexpr size_t pack_tail_size_bytes = PackHead::size_bytes + 64 + 12 + PackFooter::size_bytes + 16;
// The smallest pack: head, contents of nothing, tail.
inline constexpr size_t pack_size_bytes_min = PackHead::size_bytes + 16 + 1 + pack_tail_size_bytes;
inline constexpr uint32_t pack_size_bytes_max = 256u << 20;

}  // namespace holdfast::format
