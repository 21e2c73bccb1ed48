// SPDX-License-Identifier: Apache-2.0
#include "vault/index_merge.h"

#include <algorithm>
#include <array>

#include "base/byte_io.h"
#include "base/check.h"
#include "vault/index_homes.h"

// A merge of sorted inputs by a heap of their heads. Pieces name their bundle by its place among the chunks, and those
// change: so while the chunks are merged, the new place of each is noted under its input and old place, and read again
// when the pieces are.
namespace holdfast::vault {

namespace {

constexpr uint32_t gone = UINT32_MAX;
constexpr size_t gather_size_bytes = 256 << 10;
// Smaller scratch is plain memory.
constexpr uint64_t scratch_size_bytes_min = 2 << 20;

uint64_t leading_word(const std::byte* id) {
  uint64_t word;
  std::memcpy(&word, id, sizeof word);
  return __builtin_bswap64(word);
}

// Zeros at first.
class Scratch {
 public:
  static Result<Scratch> make(const std::string& folder, uint64_t size_bytes) {
    Scratch scratch;
    if (size_bytes < scratch_size_bytes_min) {
      scratch.small_.resize(size_bytes);
      std::fill(scratch.small_.begin(), scratch.small_.end(), std::byte{0});
    } else {
      scratch.large_ = TRY(os::ScratchMemory::create(folder, size_bytes));
    }
    return scratch;
  }
  MutableByteView span() { return small_.empty() ? large_.span() : MutableByteView(small_); }
  bool has_failed() const { return large_.has_failed(); }

 private:
  Bytes small_;
  os::ScratchMemory large_;
};

// One table on its way into the merged one.
struct Input {
  const IndexTable* table = nullptr;
  std::vector<uint32_t> pack_places;  // In the merged table, by place in this one; `gone` where left out.
  uint64_t first_chunk = 0;           // Of all inputs' chunks in a row, ours begin here.
};

// The newest segment has the highest rank.
std::vector<uint32_t> ranks_of(const std::vector<TableSegment>& segments) {
  std::vector<uint32_t> by_age(segments.size()), ranks(segments.size());
  for (uint32_t place = 0; place < segments.size(); ++place) by_age[place] = place;
  std::sort(by_age.begin(), by_age.end(),
            [&](uint32_t a, uint32_t b) { return segments[b].is_newer_than(segments[a]); });
  for (uint32_t rank = 0; rank < by_age.size(); ++rank) ranks[by_age[rank]] = rank;
  return ranks;
}

class Merger {
 public:
  Merger(std::span<const TablePtr> tables, const std::set<ObjectId>& without);
  const TableContents& contents() const { return contents_; }
  Status write_chunks(TableFileWriter& writer, const std::string& scratch_folder);
  Status write_pieces(TableFileWriter& writer, const std::string& scratch_folder);
  ByteView chunk_filter() { return chunk_filter_.span(); }
  ByteView piece_filter() { return piece_filter_.span(); }

 private:
  struct Head {
    uint64_t leading = 0;
    const std::byte* id = nullptr;
    uint32_t input = 0;
    uint32_t place = 0;
  };
  struct Chunks;
  struct Pieces;
  // Calls `take(head)` for the entries of all inputs in order of ids, newest first among equal ones.
  template <class Entries, class Take>
  Status merge(const Entries& entries, Take take);
  uint32_t rank_of_pack(const Input& input, uint32_t pack) const {
    return ranks_[contents_.segment_of_pack[input.pack_places[pack]]];
  }
  uint32_t new_place(const Input& input, uint32_t chunk) const {
    uint32_t place;
    std::memcpy(&place, new_places_.data() + (input.first_chunk + chunk) * sizeof place, sizeof place);
    return place;
  }
  void add_table(const IndexTable& table, const std::set<ObjectId>& without);
  // What the disk could not read came as zeros: nothing may be made of that.
  Status check_inputs() const;

  const bool leaves_out_;
  std::vector<Input> inputs_;
  TableContents contents_;
  std::vector<uint32_t> ranks_;  // Of the merged table's segments.
  uint64_t chunk_count_in_ = 0;
  Scratch new_places_scratch_;
  MutableByteView new_places_;   // A u32 for each.
  Scratch chunk_filter_, piece_filter_;
};

struct Merger::Chunks {
  const Merger& merger;
  static size_t count(const IndexTable& table) { return table.view().chunk_count(); }
  static const std::byte* id(const IndexTable& table, size_t place) { return table.view().chunk_id(place); }
  static uint32_t pack(const Input& input, const Head& head) { return input.table->view().chunk(head.place).pack; }
  uint32_t rank(const Input& input, const Head& head) const { return merger.rank_of_pack(input, pack(input, head)); }
  bool is_gone(const Input& input, const Head& head) const { return input.pack_places[pack(input, head)] == gone; }
};

struct Merger::Pieces {
  const Merger& merger;
  static size_t count(const IndexTable& table) { return table.view().piece_count(); }
  static const std::byte* id(const IndexTable& table, size_t place) { return table.view().piece_id(place); }
  static uint32_t bundle(const Input& input, const Head& head) { return input.table->view().piece(head.place).bundle; }
  uint32_t rank(const Input& input, const Head& head) const {
    return merger.rank_of_pack(input, input.table->view().chunk(bundle(input, head)).pack);
  }
  bool is_gone(const Input& input, const Head& head) const {
    return merger.new_place(input, bundle(input, head)) == gone;
  }
};

Merger::Merger(std::span<const TablePtr> tables, const std::set<ObjectId>& without) : leaves_out_(!without.empty()) {
  for (const TablePtr& table : tables) add_table(*table, without);
  ranks_ = ranks_of(contents_.segments);
}

void Merger::add_table(const IndexTable& table, const std::set<ObjectId>& without) {
  Input input{.table = &table, .pack_places = {}, .first_chunk = chunk_count_in_};
  chunk_count_in_ += table.view().chunk_count();
  std::vector<uint32_t> segment_places;
  for (const TableSegment& segment : table.segments()) {
    if (without.contains(segment.id)) {
      segment_places.push_back(gone);
      continue;
    }
    segment_places.push_back(static_cast<uint32_t>(contents_.segments.size()));
    contents_.segments.push_back(segment);
    contents_.chunk_count += segment.chunk_count;
    contents_.piece_count += segment.piece_count;
  }
  const auto& packs = table.view().packs();
  input.pack_places.reserve(packs.size());
  for (uint32_t pack = 0; pack < packs.size(); ++pack) {
    const uint32_t segment = segment_places[table.segment_place_of_pack(pack)];
    input.pack_places.push_back(segment == gone ? gone : static_cast<uint32_t>(contents_.packs.size()));
    if (segment == gone) continue;
    contents_.packs.push_back(packs[pack]);
    contents_.segment_of_pack.push_back(segment);
  }
  inputs_.push_back(std::move(input));
}

Status Merger::check_inputs() const {
  bool has_failed = new_places_scratch_.has_failed() || chunk_filter_.has_failed() || piece_filter_.has_failed();
  for (const Input& input : inputs_) has_failed |= vault::has_failed(*input.table);
  return has_failed ? Status(Error(ErrorCode::io, "index tables: the disk cannot read them")) : Status();
}

template <class Entries, class Take>
Status Merger::merge(const Entries& entries, Take take) {
  // Whether `a` comes after `b`.
  const auto after = [&](const Head& a, const Head& b) {
    if (a.leading != b.leading) return a.leading > b.leading;
    const int order = std::memcmp(a.id, b.id, sizeof(format::ShortId));
    if (order != 0) return order > 0;
    return entries.rank(inputs_[a.input], a) < entries.rank(inputs_[b.input], b);
  };
  // The next entry of the head's input that stays; false at its end.
  const auto settle = [&](Head& head) {
    const Input& input = inputs_[head.input];
    const size_t count = entries.count(*input.table);
    while (head.place < count && leaves_out_ && entries.is_gone(input, head)) ++head.place;
    if (head.place == count) return false;
    head.id = entries.id(*input.table, head.place);
    head.leading = leading_word(head.id);
    return true;
  };
  std::vector<Head> heap;
  for (uint32_t input = 0; input < inputs_.size(); ++input) {
    Head head{.input = input};
    if (settle(head)) heap.push_back(head);
  }
  std::make_heap(heap.begin(), heap.end(), after);
  while (!heap.empty()) {
    TRY_DO(take(heap.front()));
    Head next = heap.front();
    ++next.place;
    if (!settle(next)) {
      std::pop_heap(heap.begin(), heap.end(), after);
      heap.pop_back();
      continue;
    }
    // Sift down in place: half the work of taking out and putting in.
    size_t hole = 0;
    for (size_t child = 1; child < heap.size(); child = 2 * hole + 1) {
      if (child + 1 < heap.size() && after(heap[child], heap[child + 1])) ++child;
      if (!after(next, heap[child])) break;
      heap[hole] = heap[child];
      hole = child;
    }
    heap[hole] = next;
  }
  return {};
}

Status Merger::write_chunks(TableFileWriter& writer, const std::string& scratch_folder) {
  new_places_scratch_ = TRY(Scratch::make(scratch_folder, chunk_count_in_ * sizeof(uint32_t)));
  new_places_ = new_places_scratch_.span();
  if (leaves_out_) std::fill(new_places_.begin(), new_places_.end(), std::byte{0xff});  // `gone`
  chunk_filter_ = TRY(Scratch::make(scratch_folder, IndexFilter::size_bytes(contents_.chunk_count)));
  const MutableByteView filter = chunk_filter_.span();
  Bytes rows;
  ByteWriter out(rows);
  uint32_t count = 0;
  const auto take = [&](const Head& head) -> Status {
    const Input& input = inputs_[head.input];
    format::ChunkLocation chunk = input.table->view().chunk(head.place);
    chunk.pack = input.pack_places[chunk.pack];
    format::write_chunk_row(out, chunk);
    IndexFilter::add(filter, chunk.id);
    std::memcpy(new_places_.data() + (input.first_chunk + head.place) * sizeof count, &count, sizeof count);
    ++count;
    if (rows.size() < gather_size_bytes) return {};
    TRY_DO(writer.append(rows));
    rows.clear();
    return {};
  };
  TRY_DO(merge(Chunks{*this}, take));
  TRY_DO(check_inputs());
  CHECK(count == contents_.chunk_count);
  return writer.append(rows);
}

Status Merger::write_pieces(TableFileWriter& writer, const std::string& scratch_folder) {
  piece_filter_ = TRY(Scratch::make(scratch_folder, IndexFilter::size_bytes(contents_.piece_count)));
  const MutableByteView filter = piece_filter_.span();
  Bytes rows;
  ByteWriter out(rows);
  uint64_t count = 0;
  const auto take = [&](const Head& head) -> Status {
    const Input& input = inputs_[head.input];
    format::PieceLocation piece = input.table->view().piece(head.place);
    piece.bundle = new_place(input, piece.bundle);
    format::write_piece_row(out, piece);
    IndexFilter::add(filter, piece.id);
    ++count;
    if (rows.size() < gather_size_bytes) return {};
    TRY_DO(writer.append(rows));
    rows.clear();
    return {};
  };
  TRY_DO(merge(Pieces{*this}, take));
  TRY_DO(check_inputs());
  CHECK(count == contents_.piece_count);
  return writer.append(rows);
}

}  // namespace

Result<TablePtr> merge_tables(std::span<const TablePtr> tables, const std::set<ObjectId>& without,
                              os::SealedFileWriter file, const std::string& scratch_folder, const TableOwner& owner,
                              Rng& rng) {
  Merger merger(tables, without);
  TableFileWriter writer = TRY(TableFileWriter::begin(std::move(file), owner, merger.contents(), rng));
  TRY_DO(merger.write_chunks(writer, scratch_folder));
  TRY_DO(merger.write_pieces(writer, scratch_folder));
  return writer.finish(merger.chunk_filter(), merger.piece_filter());
}

}  // namespace holdfast::vault
