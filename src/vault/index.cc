// SPDX-License-Identifier: Apache-2.0
#include "vault/index.h"

#include <algorithm>
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

// `find` yields the place in a table, `chunk_of` the chunk whose segment decides.
template <class Find, class ChunkOf>
std::optional<TableList::Place> find_newest(const std::vector<TablePtr>& tables, Find find, ChunkOf chunk_of) {
  const auto segment_of = [&](const TableList::Place& place) -> const TableSegment& {
    const IndexTable& table = *tables[place.table];
    return table.segment_of_chunk(chunk_of(table, place.entry));
  };
  std::optional<TableList::Place> best;
  for (size_t table = 0; table < tables.size(); ++table) {
    const auto entry = find(*tables[table]);
    if (!entry) continue;
    const TableList::Place found{static_cast<uint32_t>(table), static_cast<uint32_t>(*entry)};
    if (!best || segment_of(found).is_newer_than(segment_of(*best))) best = found;
  }
  return best;
}

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

std::optional<TableList::Place> TableList::find_chunk(const format::ShortId& id) const {
  return find_newest(
      tables_, [&](const IndexTable& table) { return table.find_chunk(id); },
      [](const IndexTable&, size_t entry) { return entry; });
}

std::optional<TableList::Place> TableList::find_piece(const format::ShortId& id) const {
  return find_newest(
      tables_, [&](const IndexTable& table) { return table.find_piece(id); },
      [](const IndexTable& table, size_t entry) { return table.view().piece(entry).bundle; });
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
}

std::optional<Location> Index::find_chunk(const format::ShortId& id) const {
  const std::shared_lock lock(mutex_);
  const auto place = list_.find_chunk(id);
  if (!place) return std::nullopt;
  const IndexTable& table = *list_.tables()[place->table];
  return locate(table, table.view().chunk(place->entry), false);
}

std::optional<Location> Index::find_piece(const format::ShortId& id) const {
  const std::shared_lock lock(mutex_);
  const auto place = list_.find_piece(id);
  if (!place) return std::nullopt;
  const IndexTable& table = *list_.tables()[place->table];
  return locate(table, table.view().chunk(table.view().piece(place->entry).bundle), true);
}

TableList Index::list() const {
  const std::shared_lock lock(mutex_);
  return list_;
}

}  // namespace holdfast::vault
