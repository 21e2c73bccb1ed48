// SPDX-License-Identifier: Apache-2.0
#include "job/index_merger.h"

#include <algorithm>

#include "crypto/hash.h"
#include "vault/index_homes.h"

namespace holdfast::job {

namespace {

// A reader merges so many segments' answers with ease; beyond that they are merged into one.
constexpr size_t segments_max = 16;

bool is_purged(const vault::PackFates& fates, const ObjectId& pack) {
  const auto fate = fates.find(pack);
  return fate != fates.end() && fate->second == vault::PackFate::purged;
}

}  // namespace

Status write_segment(vault::Vault& vault, vault::Vault::Domain& domain, format::SegmentContents contents) {
  TRY_DO(vault::check_tables(domain.index()));
  const Bytes plain = format::encode_segment(std::move(contents));
  const Bytes object = TRY(vault::seal_segment(vault, domain.keys(), plain));
  const ObjectId id = ObjectId::from(crypto::hash(object));
  const std::array<ByteView, 1> parts{ByteView(object)};
  return vault.store()
      .create(vault::segment_key(domain.id(), vault.keyring().self().id, id), parts)
      .during("write index segment");
}

std::vector<size_t> IndexMerger::tables_to_replace(const vault::PackFates& fates) const {
  std::vector<size_t> tables;
  const bool too_many = live_.table_count() > segments_max;
  for (size_t table = 0; table < live_.table_count(); ++table) {
    const format::SegmentView& view = live_.table(table).view();
    const bool is_small = view.size_bytes() < format::segment_size_bytes_aim / 2;
    const bool is_touched = std::any_of(view.packs().begin(), view.packs().end(),
                                        [&](const auto& pack) { return is_purged(fates, pack.id); });
    if (is_touched || (too_many && is_small)) tables.push_back(table);
  }
  return tables;
}

// Whether all that the segment says, but of what was purged, can be said in the draft as well.
bool IndexMerger::fits(const Draft& draft, const format::SegmentView& view, const vault::PackFates& fates) {
  const auto clashes = [&](const Homes& homes, const format::ShortId& id, const format::ChunkLocation& chunk) {
    const auto known = homes.find(id);
    if (known == homes.end()) return false;
    const ObjectId& pack = view.packs()[chunk.pack].id;
    return !is_purged(fates, pack) && !(known->second == Home{pack, chunk.offset_bytes});
  };
  if (draft.contents.packs.empty()) return true;
  for (size_t place = 0; place < view.chunk_count(); ++place) {
    const format::ChunkLocation chunk = view.chunk(place);
    if (clashes(draft.chunks, chunk.id, chunk)) return false;
  }
  for (size_t place = 0; place < view.piece_count(); ++place) {
    const format::PieceLocation piece = view.piece(place);
    if (clashes(draft.pieces, piece.id, view.chunk(piece.bundle))) return false;
  }
  return true;
}

// Adds all that a segment says of packs that stay, whether in use or not: what is there can be used again.
void IndexMerger::take_table(const format::SegmentView& view, const vault::PackFates& fates, Draft& draft) {
  format::SegmentContents& contents = draft.contents;
  constexpr uint32_t gone = UINT32_MAX;
  std::vector<uint32_t> pack_places, chunk_places;
  for (const format::PackInfo& pack : view.packs()) {
    const bool goes = is_purged(fates, pack.id);
    pack_places.push_back(goes ? gone : static_cast<uint32_t>(contents.packs.size()));
    if (!goes) contents.packs.push_back(pack);
  }
  const auto home_of = [&](const format::ChunkLocation& chunk) {
    return Home{contents.packs[chunk.pack].id, chunk.offset_bytes};
  };
  chunk_places.reserve(view.chunk_count());
  for (size_t place = 0; place < view.chunk_count(); ++place) {
    format::ChunkLocation chunk = view.chunk(place);
    chunk.pack = pack_places[chunk.pack];
    chunk_places.push_back(chunk.pack == gone ? gone : static_cast<uint32_t>(contents.chunks.size()));
    if (chunk.pack == gone) continue;
    draft.chunks.emplace(chunk.id, home_of(chunk));
    contents.chunks.push_back(chunk);
  }
  for (size_t place = 0; place < view.piece_count(); ++place) {
    format::PieceLocation piece = view.piece(place);
    piece.bundle = chunk_places[piece.bundle];
    if (piece.bundle == gone) continue;
    draft.pieces.emplace(piece.id, home_of(contents.chunks[piece.bundle]));
    contents.pieces.push_back(piece);
  }
  contents.order = std::max(contents.order, view.order());
}

Status IndexMerger::write(format::SegmentContents contents, std::vector<ObjectId> replaces) {
  contents.replaces = std::move(replaces);
  TRY_DO(write_segment(vault_, domain_, std::move(contents)));
  ++written_count_;
  return {};
}

Status IndexMerger::run(const vault::PackFates& fates) {
  std::vector<Draft> drafts;
  std::vector<ObjectId> replaced;
  for (const size_t table : tables_to_replace(fates)) {
    const format::SegmentView& view = live_.table(table).view();
    replaced.push_back(live_.table(table).segment());
    auto draft = std::find_if(drafts.begin(), drafts.end(), [&](const Draft& one) { return fits(one, view, fates); });
    if (draft == drafts.end()) draft = drafts.insert(drafts.end(), Draft{});
    const uint64_t size_bytes = format::segment_size_bytes(draft->contents) + view.size_bytes();
    if (!draft->contents.packs.empty() && size_bytes > format::segment_size_bytes_aim) {
      TRY_DO(write(std::exchange(*draft, {}).contents, {}));
    }
    take_table(view, fates, *draft);
  }
  // The last one says what all of them together replace.
  for (auto draft = drafts.begin(); draft != drafts.end(); ++draft) {
    const bool is_last = draft + 1 == drafts.end();
    if (draft->contents.chunks.empty()) continue;
    TRY_DO(write(std::move(draft->contents), is_last ? replaced : std::vector<ObjectId>()));
  }
  return remove({replaced.begin(), replaced.end()});
}

Status IndexMerger::remove(const std::set<ObjectId>& segments) {
  std::vector<std::string> keys;
  if (segments.empty()) return {};
  TRY_DO(vault::check_tables(domain_.index()));
  TRY_DO(vault_.store().list(vault::segment_prefix(domain_.id()), "", [&](const store::ObjectInfo& object) -> Status {
    const auto name = vault::parse_object_key(object.key);
    if (name && segments.contains(name->id)) keys.push_back(object.key);
    return {};
  }));
  for (const std::string& key : keys) {
    const Status removed = vault_.store().remove(key);
    if (!removed && removed.error().code() != ErrorCode::not_found) return removed;
    ++removed_count_;
  }
  return {};
}

}  // namespace holdfast::job
