// SPDX-License-Identifier: Apache-2.0
#include "job/live_set.h"

#include <algorithm>
#include <set>

namespace holdfast::job {

LiveSet::LiveSet(const vault::Index& index) : list_(index.list()) {
  for (const auto& table : list_.tables()) {
    marks_.push_back({Bits(table->view().chunk_count()), Bits(table->view().piece_count())});
  }
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
    marks_.push_back({Bits(table->view().chunk_count()), Bits(table->view().piece_count())});
    list_.add(std::move(table));
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
