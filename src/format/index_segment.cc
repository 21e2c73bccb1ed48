// SPDX-License-Identifier: Apache-2.0
#include "format/index_segment.h"

#include <algorithm>
#include <bit>
#include <numeric>
#include <optional>

#include "base/byte_io.h"
#include "base/check.h"
#include "base/newer.h"

namespace holdfast::format {

namespace {

constexpr uint8_t segment_version = 1;
constexpr size_t segment_header_size_bytes = 1 + 8 + 4 * 4;
constexpr size_t id_size_bytes = sizeof(ShortId);
constexpr size_t place_size_bytes = 16;  // pack, offset, size, plain size
static_assert(chunk_row_size_bytes == id_size_bytes + place_size_bytes);
static_assert(piece_row_size_bytes == id_size_bytes + sizeof(uint32_t));

uint64_t leading_word(const std::byte* id) {
  uint64_t word;
  std::memcpy(&word, id, sizeof word);
  return __builtin_bswap64(word);
}

void write_place(ByteWriter& out, const ChunkLocation& chunk) {
  out.fixed(chunk.pack);
  out.fixed(chunk.offset_bytes);
  out.fixed(chunk.size_bytes);
  out.fixed(chunk.plain_size_bytes);
}

// Sorts the chunks and drops repeats of an id; rewrites the pieces' references to match.
void sort_contents(SegmentContents& contents) {
  auto& chunks = contents.chunks;
  std::vector<uint32_t> order(chunks.size());
  std::iota(order.begin(), order.end(), 0u);
  std::stable_sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) { return chunks[a].id < chunks[b].id; });
  std::vector<uint32_t> new_place(chunks.size());
  std::vector<ChunkLocation> sorted;
  sorted.reserve(chunks.size());
  for (const uint32_t old_place : order) {
    if (sorted.empty() || sorted.back().id != chunks[old_place].id) sorted.push_back(chunks[old_place]);
    new_place[old_place] = static_cast<uint32_t>(sorted.size() - 1);
  }
  chunks = std::move(sorted);
  for (PieceLocation& piece : contents.pieces) piece.bundle = new_place[piece.bundle];
  const auto same = [](const PieceLocation& a, const PieceLocation& b) { return a.id == b.id; };
  std::stable_sort(contents.pieces.begin(), contents.pieces.end(),
                   [](const PieceLocation& a, const PieceLocation& b) { return a.id < b.id; });
  contents.pieces.erase(std::unique(contents.pieces.begin(), contents.pieces.end(), same), contents.pieces.end());
}

}  // namespace

uint64_t segment_size_bytes(const SegmentContents& contents) {
  return segment_header_size_bytes + contents.packs.size() * pack_row_size_bytes +
         contents.replaces.size() * ObjectId::size_bytes + contents.chunks.size() * chunk_row_size_bytes +
         contents.pieces.size() * piece_row_size_bytes;
}

void write_pack_row(ByteWriter& out, const PackInfo& pack) {
  out.raw(pack.id.view());
  out.u8(pack.kind);
  out.fixed(pack.epoch);
  out.raw(pack.author);
  out.fixed(pack.size_bytes);
  std::array<std::byte, PackHead::size_bytes> head{};
  encode_pack_head(pack.head, head);
  out.raw(head);
}

Result<PackInfo> read_pack_row(ByteReader& in) {
  PackInfo pack;
  const ByteView id = in.raw(32);
  pack.kind = in.u8();
  pack.epoch = in.fixed<uint32_t>();
  const ByteView author = in.raw(8);
  pack.size_bytes = in.fixed<uint32_t>();
  const ByteView head = in.raw(PackHead::size_bytes);
  if (!in.ok()) return Error(ErrorCode::corrupt, "index segment: pack table truncated");
  pack.id = ObjectId::from(id);
  std::copy(author.begin(), author.end(), pack.author.begin());
  pack.head = TRY(decode_pack_head(head));
  if (pack.kind < 1 || pack.kind > 2 || pack.size_bytes > pack_size_bytes_max) {
    return Error(ErrorCode::corrupt, "index segment: impossible pack");
  }
  return pack;
}

void write_chunk_row(ByteWriter& out, const ChunkLocation& chunk) {
  out.raw(chunk.id);
  write_place(out, chunk);
}

void write_piece_row(ByteWriter& out, const PieceLocation& piece) {
  out.raw(piece.id);
  out.fixed(piece.bundle);
}

Bytes encode_segment(SegmentContents contents) {
  sort_contents(contents);
  Bytes bytes;
  bytes.reserve(segment_size_bytes(contents));
  ByteWriter out(bytes);
  out.u8(segment_version);
  out.fixed(contents.order);
  out.fixed(static_cast<uint32_t>(contents.packs.size()));
  out.fixed(static_cast<uint32_t>(contents.replaces.size()));
  out.fixed(static_cast<uint32_t>(contents.chunks.size()));
  out.fixed(static_cast<uint32_t>(contents.pieces.size()));
  for (const PackInfo& pack : contents.packs) write_pack_row(out, pack);
  for (const ObjectId& replaced : contents.replaces) out.raw(replaced.view());
  for (const ChunkLocation& chunk : contents.chunks) out.raw(chunk.id);
  for (const ChunkLocation& chunk : contents.chunks) write_place(out, chunk);
  for (const PieceLocation& piece : contents.pieces) out.raw(piece.id);
  for (const PieceLocation& piece : contents.pieces) out.fixed(piece.bundle);
  return bytes;
}

bool SegmentView::Entries::strictly_ascending() const {
  for (size_t place = 1; place < count; ++place) {
    if (std::memcmp(id(place - 1), id(place), id_size_bytes) >= 0) return false;
  }
  return true;
}

// Searches sorted ids by interpolation: the ids are uniform, so a guess by proportion lands within a few entries. After
// a bounded number of guesses it halves, so that crafted ids cost O(log n), never O(n).
std::optional<size_t> SegmentView::Entries::find(const ShortId& wanted_id) const {
  size_t low = 0, high = count;
  const uint64_t wanted = leading_word(wanted_id.data());
  for (int guess_count = 0; low < high; ++guess_count) {
    size_t middle = low + (high - low) / 2;
    if (guess_count < 8 && high - low > 16) {
      const uint64_t first = leading_word(id(low)), last = leading_word(id(high - 1));
      if (wanted < first || wanted > last) return std::nullopt;
      const double share = static_cast<double>(wanted - first) / (static_cast<double>(last - first) + 1);
      middle = low + std::min(static_cast<size_t>(share * static_cast<double>(high - low)), high - low - 1);
    }
    const int order = std::memcmp(id(middle), wanted_id.data(), id_size_bytes);
    if (order == 0) {
      // Equal ids are few: at most one a segment that the table was made of.
      while (middle > 0 && std::memcmp(id(middle - 1), wanted_id.data(), id_size_bytes) == 0) --middle;
      return middle;
    }
    if (order < 0) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return std::nullopt;
}

SegmentView::Entries SegmentView::columns(ByteView ids, ByteView places, size_t count) {
  return {.ids = ids.data(),
          .id_stride = id_size_bytes,
          .places = places.data(),
          .place_stride = count == 0 ? 0 : places.size() / count,
          .count = count};
}

SegmentView SegmentView::over(Rows rows) {
  const auto entries = [](ByteView all, size_t stride) {
    return Entries{.ids = all.data(),
                   .id_stride = stride,
                   .places = all.data() + id_size_bytes,
                   .place_stride = stride,
                   .count = all.size() / stride};
  };
  SegmentView view;
  view.size_bytes_ = rows.packs.size() * pack_row_size_bytes + rows.chunks.size() + rows.pieces.size();
  view.packs_ = std::move(rows.packs);
  view.chunks_ = entries(rows.chunks, chunk_row_size_bytes);
  view.pieces_ = entries(rows.pieces, piece_row_size_bytes);
  return view;
}

Result<SegmentView> SegmentView::decode(ByteView bytes) {
  ByteReader in(bytes);
  const uint8_t version = in.u8();
  if (in.ok() && version > segment_version) return made_by_newer("index segment");
  if (in.ok() && version != segment_version) return Error(ErrorCode::corrupt, "index segment: version 0");
  SegmentView view;
  view.size_bytes_ = bytes.size();
  view.order_ = in.fixed<uint64_t>();
  const uint32_t pack_count = in.fixed<uint32_t>();
  const uint32_t replaces_count = in.fixed<uint32_t>();
  const uint64_t chunk_count = in.fixed<uint32_t>();
  const uint64_t piece_count = in.fixed<uint32_t>();
  if (pack_count > in.remaining() / PackHead::size_bytes || replaces_count > in.remaining() / 32) {
    return Error(ErrorCode::corrupt, "index segment: more packs than bytes");
  }
  view.packs_.reserve(pack_count);
  for (uint32_t place = 0; place < pack_count; ++place) view.packs_.push_back(TRY(read_pack_row(in)));
  for (uint32_t place = 0; place < replaces_count; ++place) {
    const ByteView id = in.raw(32);
    if (in.ok()) view.replaces_.push_back(ObjectId::from(id));
  }
  const ByteView chunk_ids = in.raw(chunk_count * id_size_bytes);
  const ByteView chunk_places = in.raw(chunk_count * place_size_bytes);
  const ByteView piece_ids = in.raw(piece_count * id_size_bytes);
  const ByteView piece_bundles = in.raw(piece_count * sizeof(uint32_t));
  TRY_DO(in.finish("index segment"));
  view.chunks_ = columns(chunk_ids, chunk_places, chunk_count);
  view.pieces_ = columns(piece_ids, piece_bundles, piece_count);
  if (!view.chunks_.strictly_ascending() || !view.pieces_.strictly_ascending()) {
    return Error(ErrorCode::corrupt, "index segment: ids out of order");
  }
  for (size_t place = 0; place < chunk_count; ++place) {
    const ChunkLocation chunk = view.chunk(place);
    if (chunk.pack >= pack_count || chunk.plain_size_bytes > record_plain_size_bytes_max ||
        uint64_t{chunk.offset_bytes} + chunk.size_bytes > view.packs_[chunk.pack].size_bytes) {
      return Error(ErrorCode::corrupt, "index segment: chunk beyond its pack");
    }
  }
  for (size_t place = 0; place < piece_count; ++place) {
    if (view.piece(place).bundle >= chunk_count) return Error(ErrorCode::corrupt, "index segment: piece of no bundle");
  }
  return view;
}

ChunkLocation SegmentView::chunk(size_t place) const {
  DCHECK(place < chunk_count());
  ChunkLocation chunk;
  std::memcpy(chunk.id.data(), chunks_.id(place), id_size_bytes);
  std::array<uint32_t, 4> fields;
  std::memcpy(fields.data(), chunks_.rest(place), sizeof fields);
  chunk.pack = fields[0];
  chunk.offset_bytes = fields[1];
  chunk.size_bytes = fields[2];
  chunk.plain_size_bytes = fields[3];
  return chunk;
}

PieceLocation SegmentView::piece(size_t place) const {
  DCHECK(place < piece_count());
  PieceLocation piece;
  std::memcpy(piece.id.data(), pieces_.id(place), id_size_bytes);
  std::memcpy(&piece.bundle, pieces_.rest(place), sizeof piece.bundle);
  return piece;
}

}  // namespace holdfast::format
