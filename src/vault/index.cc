// SPDX-License-Identifier: Apache-2.0
#include "vault/index.h"

#include <mutex>

namespace holdfast::vault {

namespace {

Location locate(const IndexTable& table, const format::ChunkLocation& chunk, bool is_bundle_of_piece) {
  return {.pack = table.pack(chunk.pack),
          .offset_bytes = chunk.offset_bytes,
          .size_bytes = chunk.size_bytes,
          .plain_size_bytes = chunk.plain_size_bytes,
          .is_bundle_of_piece = is_bundle_of_piece};
}

}  // namespace

Result<std::shared_ptr<const IndexTable>> IndexTable::make(ObjectId segment, ByteView bytes,
                                                           std::shared_ptr<const void> owner) {
  auto table = std::make_shared<IndexTable>();
  table->segment_ = segment;
  table->owner_ = std::move(owner);
  table->view_ = TRY(format::SegmentView::decode(bytes));
  table->packs_.reserve(table->view_.packs().size());
  for (const format::PackInfo& pack : table->view_.packs()) {
    table->packs_.push_back(std::make_shared<const format::PackInfo>(pack));
  }
  return std::shared_ptr<const IndexTable>(std::move(table));
}

void Index::add(std::shared_ptr<const IndexTable> table) {
  const std::unique_lock lock(mutex_);
  tables_.push_back(std::move(table));
}

void Index::clear() {
  const std::unique_lock lock(mutex_);
  tables_.clear();
}

std::optional<Location> Index::find_chunk(const format::ShortId& id) const {
  const std::shared_lock lock(mutex_);
  for (auto table = tables_.rbegin(); table != tables_.rend(); ++table) {
    if (const auto place = (*table)->view().find_chunk(id)) {
      return locate(**table, (*table)->view().chunk(*place), false);
    }
  }
  return std::nullopt;
}

std::optional<Location> Index::find_piece(const format::ShortId& id) const {
  const std::shared_lock lock(mutex_);
  for (auto table = tables_.rbegin(); table != tables_.rend(); ++table) {
    if (const auto place = (*table)->view().find_piece(id)) {
      const format::PieceLocation piece = (*table)->view().piece(*place);
      return locate(**table, (*table)->view().chunk(piece.bundle), true);
    }
  }
  return std::nullopt;
}

std::vector<std::shared_ptr<const IndexTable>> Index::tables() const {
  const std::shared_lock lock(mutex_);
  return tables_;
}

}  // namespace holdfast::vault
