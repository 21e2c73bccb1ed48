// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <optional>
#include <vector>

#include "base/byte_io.h"
#include "base/bytes.h"
#include "base/hash_id.h"
#include "base/result.h"
#include "format/pack.h"

// An index segment: where chunks and pieces stand (docs/format.md 5). Plain form; sorted entries of fixed width, so
// that a segment is searched where it lies, in memory or in a mapped file.
namespace holdfast::format {

struct PackInfo {
  ObjectId id;
  uint8_t kind = 0;                 // vault::PackKind
  uint32_t epoch = 0;
  std::array<std::byte, 8> author{};
  uint32_t size_bytes = 0;          // Named bytes.
  PackHead head;
};

struct ChunkLocation {
  ShortId id{};
  uint32_t pack = 0;                // Place in the segment's pack table.
  uint32_t offset_bytes = 0;
  uint32_t size_bytes = 0;          // Of the whole record.
  uint32_t plain_size_bytes = 0;
};

struct PieceLocation {
  ShortId id{};
  uint32_t bundle = 0;              // Place of its bundle among the segment's sorted chunks.
};

// Who writes segments makes them no larger where it can (a pack full of tiny pieces may go beyond), so that reading one
// fits every budget. Larger ones than the second are refused.
inline constexpr uint64_t segment_size_bytes_aim = 32u << 20;
inline constexpr uint64_t segment_size_bytes_max = 256u << 20;

// An entry of a segment or of a table made of several (vault/index_table.h): a row is the id and what follows it.
inline constexpr size_t chunk_row_size_bytes = 32;
inline constexpr size_t piece_row_size_bytes = 20;
inline constexpr size_t pack_row_size_bytes = 32 + 1 + 4 + 8 + 4 + PackHead::size_bytes;

// What goes into a segment. Chunks and pieces in any order; `bundle` of a piece is the place in `chunks` as given.
struct SegmentContents {
  std::vector<PackInfo> packs;
  std::vector<ChunkLocation> chunks;
  std::vector<PieceLocation> pieces;
  std::vector<ObjectId> replaces;   // Segments whose entries are all here too.
  // How new the places are: the number of the log record that began the writer's session; of a merged segment the
  // highest of those it was merged from. Where several segments know an id, the highest is its home.
  uint64_t order = 0;
};
// Sorts, removes exact repeats and encodes. Of several locations of the same id the first is kept.
Bytes encode_segment(SegmentContents contents);
// Of the plain form, at most.
uint64_t segment_size_bytes(const SegmentContents& contents);

void write_pack_row(ByteWriter& out, const PackInfo& pack);
Result<PackInfo> read_pack_row(ByteReader& in);
void write_chunk_row(ByteWriter& out, const ChunkLocation& chunk);
void write_piece_row(ByteWriter& out, const PieceLocation& piece);

// A decoded segment, or a table of rows of the same kind: views into the bytes it was made from, which others keep.
class SegmentView {
 public:
  // Checks sizes, order and all references: after this no look-up can leave the bytes.
  static Result<SegmentView> decode(ByteView bytes);
  // Rows that this program wrote and has authenticated since: nothing is checked. An id may stand there several times.
  struct Rows {
    std::vector<PackInfo> packs;
    ByteView chunks, pieces;
  };
  static SegmentView over(Rows rows);

  const std::vector<PackInfo>& packs() const { return packs_; }
  const std::vector<ObjectId>& replaces() const { return replaces_; }
  uint64_t order() const { return order_; }
  uint64_t size_bytes() const { return size_bytes_; }  // Of the plain form.
  size_t chunk_count() const { return chunks_.count; }
  size_t piece_count() const { return pieces_.count; }
  ChunkLocation chunk(size_t place) const;
  PieceLocation piece(size_t place) const;
  const std::byte* chunk_id(size_t place) const { return chunks_.id(place); }  // 16 bytes.
  const std::byte* piece_id(size_t place) const { return pieces_.id(place); }
  // Place of the id, of the first where it stands several times, or nothing. Interpolation search: ids are uniform.
  std::optional<size_t> find_chunk(const ShortId& id) const { return chunks_.find(id); }
  std::optional<size_t> find_piece(const ShortId& id) const { return pieces_.find(id); }

 private:
  // Ids and what belongs to them, side by side or in columns.
  struct Entries {
    const std::byte* ids = nullptr;
    size_t id_stride = 0;
    const std::byte* places = nullptr;
    size_t place_stride = 0;
    size_t count = 0;
    const std::byte* id(size_t place) const { return ids + place * id_stride; }
    const std::byte* rest(size_t place) const { return places + place * place_stride; }
    bool strictly_ascending() const;
    std::optional<size_t> find(const ShortId& id) const;
  };
  static Entries columns(ByteView ids, ByteView places, size_t count);

  std::vector<PackInfo> packs_;
  std::vector<ObjectId> replaces_;
  uint64_t order_ = 0;
  uint64_t size_bytes_ = 0;
  Entries chunks_, pieces_;
};

}  // namespace holdfast::format
