// SPDX-License-Identifier: Apache-2.0
#include "job/live_set.h"

#include <algorithm>
#include <set>

namespace holdfast::job {

namespace {

// To ask so few each is as quick.
constexpr size_t routed_table_count_min = 8;

}  // namespace

LiveSet::LiveSet(const vault::Index& index) : list_(index.list()) {
  if (table_count() >= routed_table_count_min) {
    uint64_t chunk_count = 0, piece_count = 0;
    for (const auto& table : list_.tables()) {
      chunk_count += table->view().chunk_count();
      piece_count += table->view().piece_count();
    }
    chunk_router_ = TableRouter(chunk_count);
    piece_router_ = TableRouter(piece_count);
  }
  for (size_t place = 0; place < table_count(); ++place) take_in(place);
}

void LiveSet::take_in(size_t place) {
  const format::SegmentView& view = table(place).view();
  marks_.push_back({Bits(view.chunk_count()), Bits(view.piece_count())});
  for (size_t entry = 0; entry < view.chunk_count(); ++entry) chunk_router_.add(view.chunk_id(entry), place);
  for (size_t entry = 0; entry < view.piece_count(); ++entry) piece_router_.add(view.piece_id(entry), place);
}

Status LiveSet::find_missing(const std::function<Result<bool>(const format::PackInfo&)>& is_there) {
  auto missing = std::make_shared<vault::PackIds>();
  for (const auto& table : list_.tables()) {
    for (const format::PackInfo& pack : table->view().packs()) {
      if (!missing->contains(pack.id) && !TRY(is_there(pack))) missing->insert(pack.id);
    }
  }
  list_.set_missing(std::move(missing));
  return {};
}

void LiveSet::add_new_tables(const vault::Index& index) {
  std::set<ObjectId> known;
  for (const auto& table : list_.tables()) known.insert(table->segment());
  for (auto& table : index.tables()) {
    if (known.contains(table->segment())) continue;
    list_.add(std::move(table));
    take_in(table_count() - 1);
  }
}

bool LiveSet::mark_chunk(Place place) {
  Bits& bits = marks_[place.table].chunks;
  if (bits[place.entry]) return false;
  bits[place.entry] = true;
  return true;
}

bool LiveSet::mark_piece(Place place) {
  Bits& bits = marks_[place.table].pieces;
  if (bits[place.entry]) return false;
  bits[place.entry] = true;
  mark_chunk(bundle_of(place));
  return true;
}

EntriesByPack::EntriesByPack(const format::SegmentView& view)
    : begins_(view.packs().size() + 1), order_(view.chunk_count()) {
  for (size_t place = 0; place < view.chunk_count(); ++place) ++begins_[view.chunk(place).pack + 1];
  for (size_t pack = 1; pack < begins_.size(); ++pack) begins_[pack] += begins_[pack - 1];
  std::vector<size_t> next(begins_.begin(), begins_.end() - 1);
  for (size_t place = 0; place < view.chunk_count(); ++place) {
    order_[next[view.chunk(place).pack]++] = static_cast<uint32_t>(place);
  }
  for (size_t pack = 0; pack + 1 < begins_.size(); ++pack) {
    std::sort(order_.begin() + static_cast<ptrdiff_t>(begins_[pack]),
              order_.begin() + static_cast<ptrdiff_t>(begins_[pack + 1]), [&](uint32_t a, uint32_t b) {
                return view.chunk(a).offset_bytes < view.chunk(b).offset_bytes;
              });
  }
}

}  // namespace holdfast::job
