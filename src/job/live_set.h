// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstring>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "format/index_segment.h"
#include "vault/index.h"

namespace holdfast::job {

// Which of many tables may hold an id, so that a look-up need not touch all of them. Two bytes an id.
class TableRouter {
 public:
  using TableMask = vault::TableList::TableMask;
  TableRouter() = default;  // Any may.
  explicit TableRouter(uint64_t id_count) : masks_(id_count / ids_a_mask + 1) {}
  // A table at `place` holds the id.
  void add(const std::byte* id, size_t place) {
    if (!masks_.empty()) masks_[mask_of(id)] |= TableMask{1} << (place % 64);
  }
  TableMask tables_of(const format::ShortId& id) const {
    return masks_.empty() ? vault::TableList::all_tables : masks_[mask_of(id.data())];
  }

 private:
  static constexpr uint64_t ids_a_mask = 4;
  // By proportion from the leading bits: the sorted ids of a table go through the masks from front to back.
  size_t mask_of(const std::byte* id) const {
    uint64_t leading;
    std::memcpy(&leading, id, sizeof leading);
    return static_cast<size_t>((static_cast<unsigned __int128>(masks_.size()) * __builtin_bswap64(leading)) >> 64);
  }
  std::vector<TableMask> masks_;
};

// Which entries of an index are in use: one bit each, so that marking 10^8 chunks takes megabytes. Where an id has
// several homes, the one that look-ups choose is the one that is marked: never one that was purged, and one that is
// missing or condemned only where there is no other, as the index had it when the set was made. Thread-compatible.
class LiveSet {
 public:
  explicit LiveSet(const vault::Index& index);
  // Takes in segments that were loaded since. Marks and fates stay. REQUIRES: each table is one segment.
  void add_new_tables(const vault::Index& index);

  // Asks of each pack that the tables name whether it is there, and ends with the first failure of that. Before the
  // first look-up, and after tables were added.
  Status find_missing(const std::function<Result<bool>(const format::PackInfo&)>& is_there);
  bool is_missing(const ObjectId& pack) const { return list_.is_missing(pack); }

  using Place = vault::TableList::Place;
  std::optional<Place> find_chunk(const format::ShortId& id) const {
    return list_.find_chunk(id, chunk_router_.tables_of(id));
  }
  std::optional<Place> find_piece(const format::ShortId& id) const {
    return list_.find_piece(id, piece_router_.tables_of(id));
  }

  // True if it was not marked before. Marking a piece marks its bundle.
  bool mark_chunk(Place place);
  bool mark_piece(Place place);
  bool is_chunk_marked(Place place) const { return bit(marks_[place.table].chunks, place.entry); }
  bool is_piece_marked(Place place) const { return bit(marks_[place.table].pieces, place.entry); }

  // The chunk, or the bundle of the piece.
  format::ChunkLocation chunk(Place place) const { return view(place).chunk(place.entry); }
  Place bundle_of(Place piece) const { return {piece.table, view(piece).piece(piece.entry).bundle}; }
  const format::PackInfo& pack(const Place& chunk) const {
    return view(chunk).packs()[view(chunk).chunk(chunk.entry).pack];
  }

  size_t table_count() const { return list_.tables().size(); }
  const vault::IndexTable& table(size_t place) const { return *list_.tables()[place]; }

 private:
  void take_in(size_t place);
  using Bits = std::vector<bool>;
  struct Marks {
    Bits chunks, pieces;
  };
  static bool bit(const Bits& bits, uint32_t place) { return bits[place]; }
  const format::SegmentView& view(const Place& place) const { return table(place.table).view(); }
  vault::TableList list_;
  std::vector<Marks> marks_;
  TableRouter chunk_router_, piece_router_;
};

// The chunks of a segment by the pack they stand in, and by offset within.
class EntriesByPack {
 public:
  explicit EntriesByPack(const format::SegmentView& view);
  // Places among the segment's chunks.
  std::span<const uint32_t> of(uint32_t pack) const {
    return std::span(order_).subspan(begins_[pack], begins_[pack + 1] - begins_[pack]);
  }

 private:
  std::vector<size_t> begins_;
  std::vector<uint32_t> order_;
};

}  // namespace holdfast::job
