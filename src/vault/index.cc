// SPDX-License-Identifier: Apache-2.0
#include "vault/index.h"

#include <algorithm>
#include <cstring>
#include <mutex>

#include "base/check.h"

namespace holdfast::vault {

namespace {

Location locate(const IndexTable& table, const format::ChunkLocation& chunk, bool is_bundle_of_piece) {
  return {.pack = table.pack(chunk.pack),
          .offset_bytes = chunk.offset_bytes,
          .size_bytes = chunk.size_bytes,
          .plain_size_bytes = chunk.plain_size_bytes,
          .is_bundle_of_piece = is_bundle_of_piece};
}

struct ChunkEntries {
  static std::optional<size_t> find(const IndexTable& table, const format::ShortId& id) { return table.find_chunk(id); }
  static size_t count(const IndexTable& table) { return table.view().chunk_count(); }
  static const std::byte* id(const IndexTable& table, size_t entry) { return table.view().chunk_id(entry); }
  static size_t chunk(const IndexTable&, size_t entry) { return entry; }
};
struct PieceEntries {
  static std::optional<size_t> find(const IndexTable& table, const format::ShortId& id) { return table.find_piece(id); }
  static size_t count(const IndexTable& table) { return table.view().piece_count(); }
  static const std::byte* id(const IndexTable& table, size_t entry) { return table.view().piece_id(entry); }
  static size_t chunk(const IndexTable& table, size_t entry) { return table.view().piece(entry).bundle; }
};

}  // namespace

TablePtr IndexTable::make(Parts parts) {
  auto table = std::make_shared<IndexTable>();
  table->parts_ = std::move(parts);
  return table;
}

Result<TablePtr> IndexTable::make(ObjectId segment, ByteView bytes, std::shared_ptr<const void> owner) {
  Parts parts;
  parts.view = TRY(format::SegmentView::decode(bytes));
  parts.segments.push_back({.id = segment,
                            .order = parts.view.order(),
                            .chunk_count = parts.view.chunk_count(),
                            .piece_count = parts.view.piece_count()});
  parts.owner = std::move(owner);
  parts.memory_bytes = bytes.size();
  return make(std::move(parts));
}

const ObjectId& IndexTable::segment() const {
  CHECK(parts_.segments.size() == 1);
  return parts_.segments.front().id;
}

std::optional<size_t> IndexTable::find_chunk(const format::ShortId& id) const {
  if (!parts_.chunk_filter.may_contain(id)) return std::nullopt;
  return view().find_chunk(id);
}

std::optional<size_t> IndexTable::find_piece(const format::ShortId& id) const {
  if (!parts_.piece_filter.may_contain(id)) return std::nullopt;
  return view().find_piece(id);
}

// Of the homes that are not purged, one that is there, of these one that is not condemned, and of these the newest. A
// table of several segments may have an id more than once: side by side, the newest first.
template <class Entries>
std::optional<TableList::Place> TableList::find_home(const Entries& entries, const format::ShortId& id,
                                                     TableMask asked) const {
  std::optional<Place> best;
  std::pair<bool, PackFate> best_state;
  const TableSegment* best_segment = nullptr;
  for (size_t at = 0; at < tables_.size(); ++at) {
    if ((asked >> (at % 64) & 1) == 0) continue;
    const IndexTable& table = *tables_[at];
    const auto first = entries.find(table, id);
    if (!first) continue;
    for (size_t entry = *first; entry < entries.count(table); ++entry) {
      if (std::memcmp(entries.id(table, entry), id.data(), id.size()) != 0) break;
      const size_t chunk = entries.chunk(table, entry);
      const ObjectId& pack = table.view().packs()[table.view().chunk(chunk).pack].id;
      const PackFate fate = fate_of(pack);
      if (fate == PackFate::purged) continue;
      const std::pair state{is_missing(pack), fate};
      const TableSegment& segment = table.segment_of_chunk(chunk);
      const bool is_better = best_segment == nullptr || state < best_state ||
                             (state == best_state && segment.is_newer_than(*best_segment));
      if (!is_better) continue;
      best = Place{static_cast<uint32_t>(at), static_cast<uint32_t>(entry)};
      best_state = state;
      best_segment = &segment;
    }
  }
  return best;
}

std::optional<TableList::Place> TableList::find_chunk(const format::ShortId& id, TableMask asked) const {
  return find_home(ChunkEntries{}, id, asked);
}

std::optional<TableList::Place> TableList::find_piece(const format::ShortId& id, TableMask asked) const {
  return find_home(PieceEntries{}, id, asked);
}

void TableList::remove(std::span<const TablePtr> tables) {
  std::vector<TablePtr> sorted(tables.begin(), tables.end());
  std::sort(sorted.begin(), sorted.end());
  std::erase_if(tables_,
                [&](const TablePtr& table) { return std::binary_search(sorted.begin(), sorted.end(), table); });
}

void Index::add(TablePtr table) {
  const std::unique_lock lock(mutex_);
  list_.add(std::move(table));
}

void Index::replace(std::span<const TablePtr> old, TablePtr table) {
  const std::unique_lock lock(mutex_);
  list_.remove(old);
  list_.add(std::move(table));
}

void Index::clear() {
  const std::unique_lock lock(mutex_);
  list_ = {};
  list_.set_fates(fates_);
  missing_ = nullptr;
}

void Index::set_fates(std::shared_ptr<const PackFates> fates) {
  const std::unique_lock lock(mutex_);
  fates_ = std::move(fates);
  list_.set_fates(fates_);
}

void Index::note_missing(const ObjectId& pack) {
  const std::unique_lock lock(mutex_);
  auto missing = std::make_shared<PackIds>(missing_ ? *missing_ : PackIds{});
  missing->insert(pack);
  missing_ = std::move(missing);
  list_.set_missing(missing_);
}

std::optional<Location> Index::find_chunk(const format::ShortId& id) const {
  const std::shared_lock lock(mutex_);
  const auto place = list_.find_chunk(id);
  if (!place) return std::nullopt;
  const IndexTable& table = *list_.tables()[place->table];
  Location found = locate(table, table.view().chunk(place->entry), false);
  return usable(std::move(found));
}

std::optional<Location> Index::find_piece(const format::ShortId& id) const {
  const std::shared_lock lock(mutex_);
  const auto place = list_.find_piece(id);
  if (!place) return std::nullopt;
  const IndexTable& table = *list_.tables()[place->table];
  Location found = locate(table, table.view().chunk(table.view().piece(place->entry).bundle), true);
  return usable(std::move(found));
}

std::optional<Location> Index::usable(Location found) const {
  if (list_.is_missing(found.pack->id)) return std::nullopt;
  found.is_condemned = list_.fate_of(found.pack->id) == PackFate::condemned;
  return found;
}

TableList Index::list() const {
  const std::shared_lock lock(mutex_);
  return list_;
}

}  // namespace holdfast::vault
