// SPDX-License-Identifier: Apache-2.0
#include "format/index_segment.h"

#include <algorithm>
#include <bit>
#include <numeric>
#include <optional>

#include "base/byte_io.h"
#include "base/check.h"

namespace holdfast::format {

namespace {

constexpr uint8_t segment_version = 1;
constexpr size_t place_size_bytes = 16;  // pack, offset, size, plain size

uint64_t leading_word(const std::byte* id) {
  uint64_t word;
  std::memcpy(&word, id, sizeof word);
  return __builtin_bswap64(word);
}

// Searches sorted 16-byte ids by interpolation: the ids are uniform, so a guess by proportion lands within a few
// entries. After a bounded number of guesses it halves, so that crafted ids cost O(log n), never O(n).
std::optional<size_t> find_sorted(ByteView ids, const ShortId& id) {
  const std::byte* base = ids.data();
  size_t low = 0, high = ids.size() / sizeof(ShortId);
  const uint64_t wanted = leading_word(id.data());
  for (int guess_count = 0; low < high; ++guess_count) {
    size_t middle = low + (high - low) / 2;
    if (guess_count < 8 && high - low > 16) {
      const uint64_t first = leading_word(base + low * 16), last = leading_word(base + (high - 1) * 16);
      if (wanted < first || wanted > last) return std::nullopt;
      const auto span = static_cast<long double>(last - first) + 1;
      const auto share = static_cast<long double>(wanted - first) / span;
      middle = low + std::min(static_cast<size_t>(share * static_cast<long double>(high - low)), high - low - 1);
    }
    const int order = std::memcmp(base + middle * 16, id.data(), 16);
    if (order == 0) return middle;
    if (order < 0) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return std::nullopt;
}

void write_pack(ByteWriter& out, const PackInfo& pack) {
  out.raw(pack.id.view());
  out.u8(pack.kind);
  out.fixed(pack.epoch);
  out.raw(pack.author);
  out.fixed(pack.size_bytes);
  const size_t head_size = PackHead::size_bytes;
  std::array<std::byte, PackHead::size_bytes> head{};
  static_assert(head_size == head.size());
  encode_pack_head(pack.head, head);
  out.raw(head);
}

Result<PackInfo> read_pack(ByteReader& in) {
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

bool strictly_ascending(ByteView ids) {
  for (size_t at = 16; at < ids.size(); at += 16) {
    if (std::memcmp(ids.data() + at - 16, ids.data() + at, 16) >= 0) return false;
  }
  return true;
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

Bytes encode_segment(SegmentContents contents) {
  sort_contents(contents);
  Bytes bytes;
  bytes.reserve(contents.packs.size() * 225 + contents.chunks.size() * 32 + contents.pieces.size() * 20 + 64);
  ByteWriter out(bytes);
  out.u8(segment_version);
  out.fixed(static_cast<uint32_t>(contents.packs.size()));
  out.fixed(static_cast<uint32_t>(contents.replaces.size()));
  out.fixed(static_cast<uint32_t>(contents.chunks.size()));
  out.fixed(static_cast<uint32_t>(contents.pieces.size()));
  for (const PackInfo& pack : contents.packs) write_pack(out, pack);
  for (const ObjectId& replaced : contents.replaces) out.raw(replaced.view());
  for (const ChunkLocation& chunk : contents.chunks) out.raw(chunk.id);
  for (const ChunkLocation& chunk : contents.chunks) {
    out.fixed(chunk.pack);
    out.fixed(chunk.offset_bytes);
    out.fixed(chunk.size_bytes);
    out.fixed(chunk.plain_size_bytes);
  }
  for (const PieceLocation& piece : contents.pieces) out.raw(piece.id);
  for (const PieceLocation& piece : contents.pieces) out.fixed(piece.bundle);
  return bytes;
}

Result<SegmentView> SegmentView::decode(ByteView bytes) {
  ByteReader in(bytes);
  const uint8_t version = in.u8();
  if (in.ok() && version != segment_version) return Error(ErrorCode::corrupt, "index segment: unknown version");
  const uint32_t pack_count = in.fixed<uint32_t>();
  const uint32_t replaces_count = in.fixed<uint32_t>();
  const uint64_t chunk_count = in.fixed<uint32_t>();
  const uint64_t piece_count = in.fixed<uint32_t>();
  if (pack_count > in.remaining() / PackHead::size_bytes || replaces_count > in.remaining() / 32) {
    return Error(ErrorCode::corrupt, "index segment: more packs than bytes");
  }
  SegmentView view;
  view.packs_.reserve(pack_count);
  for (uint32_t place = 0; place < pack_count; ++place) view.packs_.push_back(TRY(read_pack(in)));
  for (uint32_t place = 0; place < replaces_count; ++place) {
    const ByteView id = in.raw(32);
    if (in.ok()) view.replaces_.push_back(ObjectId::from(id));
  }
  view.chunk_ids_ = in.raw(chunk_count * 16);
  view.chunk_places_ = in.raw(chunk_count * place_size_bytes);
  view.piece_ids_ = in.raw(piece_count * 16);
  view.piece_bundles_ = in.raw(piece_count * 4);
  TRY_DO(in.finish("index segment"));
  if (!strictly_ascending(view.chunk_ids_) || !strictly_ascending(view.piece_ids_)) {
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
  std::memcpy(chunk.id.data(), chunk_ids_.data() + place * 16, 16);
  std::array<uint32_t, 4> fields;
  std::memcpy(fields.data(), chunk_places_.data() + place * place_size_bytes, sizeof fields);
  chunk.pack = fields[0];
  chunk.offset_bytes = fields[1];
  chunk.size_bytes = fields[2];
  chunk.plain_size_bytes = fields[3];
  return chunk;
}

PieceLocation SegmentView::piece(size_t place) const {
  DCHECK(place < piece_count());
  PieceLocation piece;
  std::memcpy(piece.id.data(), piece_ids_.data() + place * 16, 16);
  std::memcpy(&piece.bundle, piece_bundles_.data() + place * 4, 4);
  return piece;
}

std::optional<size_t> SegmentView::find_chunk(const ShortId& id) const { return find_sorted(chunk_ids_, id); }
std::optional<size_t> SegmentView::find_piece(const ShortId& id) const { return find_sorted(piece_ids_, id); }

}  // namespace holdfast::format
