// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <optional>
#include <shared_mutex>
#include <span>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "format/index_segment.h"
#include "vault/index_filter.h"
#include "vault/names.h"
#include "vault/pack_fates.h"

namespace holdfast::vault {

// Where a chunk, or the bundle that holds a piece, stands.
struct Location {
  std::shared_ptr<const format::PackInfo> pack;
  uint32_t offset_bytes = 0;
  uint32_t size_bytes = 0;        // Of the record.
  uint32_t plain_size_bytes = 0;
  bool is_bundle_of_piece = false;
  bool is_condemned = false;      // It has no other home: good for reading, absent for whoever writes.
};

// A stored segment whose entries are in a table.
struct TableSegment {
  ObjectId id;
  uint64_t order = 0;  // format::SegmentContents::order
  uint64_t chunk_count = 0;
  uint64_t piece_count = 0;
  // Of two homes the one in the newer segment is chosen: the same one by all who know both.
  bool is_newer_than(const TableSegment& other) const {
    return order != other.order ? order > other.order : id > other.id;
  }
};

// Searchable entries of one segment, or of several that were merged. Immutable.
class IndexTable : public std::enable_shared_from_this<IndexTable> {
 public:
  struct Parts {
    std::vector<TableSegment> segments;
    format::SegmentView view;
    std::vector<uint32_t> segment_of_pack;  // Places in `segments`; empty: all are of the first.
    IndexFilter chunk_filter, piece_filter;
    std::shared_ptr<const void> owner;      // Of the bytes that view and filters look into.
    uint64_t memory_bytes = 0;              // Of them that count towards the memory budget.
  };
  static std::shared_ptr<const IndexTable> make(Parts parts);
  // The plain form of one segment, kept alive through `owner`.
  static Result<std::shared_ptr<const IndexTable>> make(ObjectId segment, ByteView bytes,
                                                       std::shared_ptr<const void> owner);

  // REQUIRES: made from one segment.
  const ObjectId& segment() const;
  const std::vector<TableSegment>& segments() const { return parts_.segments; }
  const format::SegmentView& view() const { return parts_.view; }
  uint64_t entry_count() const { return view().chunk_count() + view().piece_count(); }
  uint64_t memory_bytes() const { return parts_.memory_bytes; }
  std::shared_ptr<const format::PackInfo> pack(uint32_t place) const {
    return {shared_from_this(), &view().packs()[place]};
  }
  uint32_t segment_place_of_pack(uint32_t pack) const {
    return parts_.segment_of_pack.empty() ? 0 : parts_.segment_of_pack[pack];
  }
  const TableSegment& segment_of_chunk(size_t place) const {
    return parts_.segments[segment_place_of_pack(view().chunk(place).pack)];
  }
  // Places in the view. Where an id stands several times, the place in the newest segment.
  std::optional<size_t> find_chunk(const format::ShortId& id) const;
  std::optional<size_t> find_piece(const format::ShortId& id) const;

 private:
  Parts parts_;
};

using TablePtr = std::shared_ptr<const IndexTable>;

// Tables that together hold an index.
class TableList {
 public:
  struct Place {
    uint32_t table = 0;
    uint32_t entry = 0;
  };
  TableList() = default;
  explicit TableList(std::vector<TablePtr> tables) : tables_(std::move(tables)) {}
  const std::vector<TablePtr>& tables() const { return tables_; }
  // What the log says of packs: look-ups pass over the purged, and over the condemned where there is another home.
  void set_fates(std::shared_ptr<const PackFates> fates) { fates_ = std::move(fates); }
  // Packs that were not found: look-ups choose them where there is no other home. For whoever asks what became of a
  // pack they stay what the log says: they may be lost.
  void set_missing(std::shared_ptr<const PackIds> missing) { missing_ = std::move(missing); }
  bool is_missing(const ObjectId& pack) const { return missing_ && missing_->contains(pack); }
  PackFate fate_of(const ObjectId& pack) const {
    if (!fates_ || fates_->empty()) return PackFate::stored;
    const auto fate = fates_->find(pack);
    return fate == fates_->end() ? PackFate::stored : fate->second;
  }
  // Which tables are asked: bit n stands for those at the places n, n + 64, ...
  using TableMask = uint64_t;
  static constexpr TableMask all_tables = UINT64_MAX;
  // The chosen home: that in the newest segment of all that know the id.
  std::optional<Place> find_chunk(const format::ShortId& id, TableMask asked = all_tables) const;
  std::optional<Place> find_piece(const format::ShortId& id, TableMask asked = all_tables) const;

  void add(TablePtr table) { tables_.push_back(std::move(table)); }
  void remove(std::span<const TablePtr> tables);

 private:
  template <class Entries>
  std::optional<Place> find_home(const Entries& entries, const format::ShortId& id, TableMask asked) const;

  std::vector<TablePtr> tables_;
  std::shared_ptr<const PackFates> fates_;
  std::shared_ptr<const PackIds> missing_;
};

// All segments of a domain that are known here. Look-ups from any thread; tables come and go meanwhile.
class Index {
 public:
  void add(TablePtr table);
  // At once: look-ups see the one or the other.
  void replace(std::span<const TablePtr> old, TablePtr table);
  void clear();
  // What the log says of packs from now on.
  void set_fates(std::shared_ptr<const PackFates> fates);
  // A pack that should be there is not: look-ups pass over it as over the purged, until clear().
  void note_missing(const ObjectId& pack);
  std::optional<Location> find_chunk(const format::ShortId& id) const;
  // Finds the bundle of a piece.
  std::optional<Location> find_piece(const format::ShortId& id) const;
  TableList list() const;
  std::vector<TablePtr> tables() const { return list().tables(); }

 private:
  // REQUIRES: mutex_ is held.
  std::optional<Location> usable(Location found) const;

  mutable std::shared_mutex mutex_;
  TableList list_;                           // Guarded by mutex_.
  std::shared_ptr<const PackFates> fates_;   // Guarded by mutex_.
  std::shared_ptr<const PackIds> missing_;   // Guarded by mutex_.
};

}  // namespace holdfast::vault
