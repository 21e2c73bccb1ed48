// SPDX-License-Identifier: Apache-2.0
#include "vault/index_homes.h"

#include <cstring>

#include "os/mapping_guard.h"

namespace holdfast::vault {

namespace {

Location location_of(const IndexTable& table, const format::ChunkLocation& chunk, bool is_bundle_of_piece) {
  return {.pack = table.pack(chunk.pack),
          .offset_bytes = chunk.offset_bytes,
          .size_bytes = chunk.size_bytes,
          .plain_size_bytes = chunk.plain_size_bytes,
          .is_bundle_of_piece = is_bundle_of_piece};
}

bool may_hold(const TableList& list, const ObjectId& pack) {
  return list.fate_of(pack) != PackFate::purged && !list.is_missing(pack);
}

}  // namespace

// Equal ids stand side by side.
std::vector<Location> chunk_homes(const Index& index, const format::ShortId& id) {
  const TableList list = index.list();
  std::vector<Location> found;
  for (const TablePtr& table : list.tables()) {
    const format::SegmentView& view = table->view();
    for (size_t entry = table->find_chunk(id).value_or(view.chunk_count()); entry < view.chunk_count(); ++entry) {
      if (std::memcmp(view.chunk_id(entry), id.data(), id.size()) != 0) break;
      Location home = location_of(*table, view.chunk(entry), false);
      if (may_hold(list, home.pack->id)) found.push_back(std::move(home));
    }
  }
  return found;
}

std::vector<Location> piece_homes(const Index& index, const format::ShortId& id) {
  const TableList list = index.list();
  std::vector<Location> found;
  for (const TablePtr& table : list.tables()) {
    const format::SegmentView& view = table->view();
    for (size_t entry = table->find_piece(id).value_or(view.piece_count()); entry < view.piece_count(); ++entry) {
      if (std::memcmp(view.piece_id(entry), id.data(), id.size()) != 0) break;
      Location home = location_of(*table, view.chunk(view.piece(entry).bundle), true);
      if (may_hold(list, home.pack->id)) found.push_back(std::move(home));
    }
  }
  return found;
}

// Wherever in the file the rows stand, the whole mapping is marked.
bool has_failed(const IndexTable& table) {
  const format::SegmentView& view = table.view();
  if (view.chunk_count() > 0) return os::has_failed_at(view.chunk_id(0));
  return view.piece_count() > 0 && os::has_failed_at(view.piece_id(0));
}

Status check_tables(const Index& index) {
  for (const TablePtr& table : index.tables()) {
    if (!has_failed(*table)) continue;
    return Error(ErrorCode::io, "an index table in a file of this machine cannot be read")
        .with_hint("The disk that holds the cache folder fails; the vault is not touched by that. Run it again, with "
                   "XDG_CACHE_HOME and TMPDIR on another disk if it comes back.");
  }
  return {};
}

}  // namespace holdfast::vault
