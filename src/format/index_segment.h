// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <vector>

#include "base/bytes.h"
#include "base/hash_id.h"
#include "base/result.h"
#include "format/pack.h"

// An index segment: where chunks and pieces stand (docs/format.md 5). Plain form; columns of sorted, fixed-width
// entries, so that a segment is searched where it lies, in memory or in a mapped file.
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

inline constexpr uint32_t segment_chunk_count_max = 1u << 28;

// What goes into a segment. Chunks and pieces in any order; `bundle` of a piece is the place in `chunks` as given.
struct SegmentContents {
  std::vector<PackInfo> packs;
  std::vector<ChunkLocation> chunks;
  std::vector<PieceLocation> pieces;
  std::vector<ObjectId> replaces;   // Segments whose entries are all here too.
};
// Sorts, removes exact repeats and encodes. One of several locations of the same id is kept.
Bytes encode_segment(SegmentContents contents);

// A decoded segment; its columns are views into the bytes it was made from, which the caller keeps.
class SegmentView {
 public:
  // Checks sizes, order and all references: after this no look-up can leave the bytes.
  static Result<SegmentView> decode(ByteView bytes);

  const std::vector<PackInfo>& packs() const { return packs_; }
  const std::vector<ObjectId>& replaces() const { return replaces_; }
  size_t chunk_count() const { return chunk_ids_.size() / sizeof(ShortId); }
  size_t piece_count() const { return piece_ids_.size() / sizeof(ShortId); }
  ChunkLocation chunk(size_t place) const;
  PieceLocation piece(size_t place) const;
  // Place of the id, or nothing. Interpolation search: ids are uniform.
  std::optional<size_t> find_chunk(const ShortId& id) const;
  std::optional<size_t> find_piece(const ShortId& id) const;

 private:
  std::vector<PackInfo> packs_;
  std::vector<ObjectId> replaces_;
  ByteView chunk_ids_, chunk_places_, piece_ids_, piece_bundles_;
};

}  // namespace holdfast::format
