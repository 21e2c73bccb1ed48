// SPDX-License-Identifier: Apache-2.0
#include "job/content_store.h"

#include "base/check.h"

namespace holdfast::job {

namespace {

// A file that changes under our hands is read again so often.
constexpr int attempts_max = 3;
// From here on contents are compressed as streams: such a one keeps all cores busy for long, and is seldom text.
constexpr uint64_t stream_size_bytes_min = 32 << 20;

}  // namespace

ContentStore::ContentStore(vault::Session& session, const codec::CutterKey& cutter_key, const ContentLimits& limits,
                           source::Chunking chunking, uint32_t block_size_bytes, Progress& progress,
                           Profile* profile, std::stop_token stop)
    : session_(session),
      worker_(session),
      limits_(limits),
      chunking_(chunking),
      block_size_bytes_(block_size_bytes),
      cutter_(cutter_key, codec::CutterSizes::around(limits.chunk_size_bytes_mean)),
      huge_cutter_(cutter_key, codec::CutterSizes::around(size_t{limits.chunk_size_bytes_mean} * huge_chunk_factor)),
      cutter_in_use_(&cutter_),
      progress_(progress),
      profile_(profile),
      stop_(std::move(stop)) {
  window_.resize(window_room_bytes(limits.chunk_size_bytes_mean));
  bundle_.resize(limits.bundle_size_bytes + 2 * size_t{limits.small_size_bytes_max} + 2);
}

Result<ContentOutcome> ContentStore::store(source::Content& content, uint64_t size_bytes, ByteView attributes) {
  ContentOutcome outcome;
  for (int attempt_count = 1; attempt_count <= attempts_max; ++attempt_count) {
    outcome = TRY(attempt(content, size_bytes));
    const bool moved = outcome.error && outcome.error->code() == ErrorCode::changed;
    if (!moved && !outcome.changed_while_read) break;
    size_bytes = content.size_bytes();
  }
  if (outcome.attributes.empty()) outcome.attributes = to_bytes(attributes);
  return outcome;
}

Result<ContentOutcome> ContentStore::judge(ContentOutcome outcome, Error error) {
  // A store that fails says `io` as a bad file does; the difference is that the session is broken from then on.
  TRY_DO(session_.first_error());
  if (!source::is_items_own(error.code())) return error;
  outcome.state = error.code() == ErrorCode::not_found ? ContentOutcome::State::vanished
                                                       : ContentOutcome::State::failed;
  outcome.error = std::move(error);
  return outcome;
}

Result<ContentOutcome> ContentStore::attempt(source::Content& content, uint64_t size_bytes) {
  ContentOutcome outcome;
  if (Status opened = content.open(); !opened) return judge(std::move(outcome), std::move(opened.error()));
  bool done = false;
  if (size_bytes <= limits_.small_size_bytes_max) {
    auto small = attempt_small(content, outcome);
    if (!small) return judge(std::move(outcome), std::move(small.error()));
    done = *small;
  }
  if (!done) {
    auto extents = store_range(content, 0, content.size_bytes(), outcome.read_bytes);
    if (!extents) return judge(std::move(outcome), std::move(extents.error()));
    outcome.extents = std::move(*extents);
  }
  auto finished = content.finish();
  if (!finished) return judge(std::move(outcome), std::move(finished.error()));
  outcome.take(*std::move(finished));
  return outcome;
}

// Reads straight behind what the open bundle holds; a piece that is new stays there. False if the content has outgrown
// being small, or has holes, which a piece cannot say.
Result<bool> ContentStore::attempt_small(source::Content& content, ContentOutcome& outcome) {
  const source::DataRange data = TRY(content.next_data(0));
  if (data.begin_bytes > 0 || data.end_bytes < content.size_bytes()) return false;
  const size_t room = size_t{limits_.small_size_bytes_max} + 1;
  const MutableByteView place = MutableByteView(bundle_).subspan(bundle_used_bytes_, room);
  const size_t size = TRY(read(content, 0, place));
  if (size == room) return false;
  outcome.read_bytes = size;
  progress_.bytes_done.fetch_add(size, std::memory_order_relaxed);
  if (size == 0) return true;
  const ChunkId id = worker_.piece_id(place.first(size));
  outcome.piece = format::ContentPiece{.piece = id, .size_bytes = static_cast<uint32_t>(size)};
  if (TRY(worker_.claim_piece(id, static_cast<uint32_t>(size)))) TRY_DO(keep_piece(id, static_cast<uint32_t>(size)));
  return true;
}

Status ContentStore::keep_piece(const ChunkId& id, uint32_t size_bytes) {
  bundle_ids_.push_back(id);
  bundle_sizes_.push_back(size_bytes);
  bundle_used_bytes_ += size_bytes;
  if (bundle_used_bytes_ >= limits_.bundle_size_bytes) TRY_DO(flush());
  return {};
}

Status ContentStore::flush() {
  if (bundle_ids_.empty()) return {};
  auto put = worker_.put_bundle(bundle_ids_, bundle_sizes_, ByteView(bundle_).first(bundle_used_bytes_));
  bundle_ids_.clear();
  bundle_sizes_.clear();
  bundle_used_bytes_ = 0;
  TRY_DO(put);
  return {};
}

Result<std::vector<format::Extent>> ContentStore::store_range(source::Content& content, uint64_t begin_bytes,
                                                              uint64_t end_bytes, uint64_t& read_bytes) {
  const uint64_t size_bytes = content.size_bytes();
  const bool huge = size_bytes >= huge_size_bytes && size_bytes != UINT64_MAX;
  cutter_in_use_ = huge ? &huge_cutter_ : &cutter_;
  is_stream_ = size_bytes >= stream_size_bytes_min;
  std::vector<format::Extent> extents;
  uint64_t offset = begin_bytes;
  while (offset < end_bytes) {
    const source::DataRange data = TRY(content.next_data(offset));
    const uint64_t data_begin = std::min(std::max(data.begin_bytes, offset), end_bytes);
    const uint64_t data_end = std::min(std::max(data.end_bytes, data_begin), end_bytes);
    if (data_begin > offset) extents.push_back(format::Extent::hole(data_begin - offset));
    if (data_end > data_begin) {
      // Shorter than it was: what follows would stand at the wrong place. finish() will tell that it changed.
      if (TRY(store_data(content, data_begin, data_end, extents, read_bytes)) < data_end) return extents;
    } else if (data_begin == offset) {
      return Error(ErrorCode::changed, content.name() + ": its holes moved while it was read");
    }
    offset = data_end;
  }
  return extents;
}

Result<uint64_t> ContentStore::store_data(source::Content& content, uint64_t begin_bytes, uint64_t end_bytes,
                                          std::vector<format::Extent>& extents, uint64_t& read_bytes) {
  size_t held = 0;
  uint64_t offset = begin_bytes;
  for (;;) {
    if (stop_.stop_requested()) return Error(ErrorCode::cancelled, "the backup was stopped");
    const auto wanted = static_cast<size_t>(std::min<uint64_t>(window_.size() - held, end_bytes - offset));
    const size_t size = TRY(read(content, offset, MutableByteView(window_).subspan(held, wanted)));
    offset += size;
    held += size;
    read_bytes += size;
    progress_.bytes_done.fetch_add(size, std::memory_order_relaxed);
    const bool is_last = offset == end_bytes || size < wanted;
    const size_t cut = TRY(cut_window(ByteView(window_).first(held), is_last, extents));
    if (is_last) return offset;
    std::memmove(window_.data(), window_.data() + cut, held - cut);
    held -= cut;
  }
}

Result<size_t> ContentStore::read(source::Content& content, uint64_t offset_bytes, MutableByteView out) {
  const StageTimer timer(profile_, Stage::read);
  return content.read_at(offset_bytes, out);
}

std::optional<Cut> ContentStore::next_cut(const WindowCutter& cutter, ByteView rest, bool is_last) const {
  const StageTimer timer(profile_, Stage::cut);
  return cutter.next(rest, is_last);
}

// Puts chunks from the front of `window` while what is left suffices to place a cut. Yields how much was taken.
Result<size_t> ContentStore::cut_window(ByteView window, bool is_last, std::vector<format::Extent>& extents) {
  const WindowCutter cutter(*cutter_in_use_, chunking_, block_size_bytes_);
  size_t taken = 0;
  while (const auto cut = next_cut(cutter, window.subspan(taken), is_last)) {
    extents.push_back(TRY(put_cut(window.subspan(taken, cut->size_bytes), *cut)));
    taken += cut->size_bytes;
  }
  return taken;
}

Result<format::Extent> ContentStore::put_cut(ByteView bytes, const Cut& cut) {
  if (cut.is_zeros) return format::Extent::zeros(cut.size_bytes);
  const auto put = TRY(is_stream_ ? worker_.put_chunk_of_stream(bytes) : worker_.put_chunk(bytes));
  return format::Extent::of_chunk(put.id, static_cast<uint32_t>(cut.size_bytes));
}

Result<std::vector<format::Extent>> ContentStore::store_cuts(ByteView window, const std::vector<Cut>& cuts) {
  is_stream_ = true;
  std::vector<format::Extent> extents;
  extents.reserve(cuts.size());
  size_t offset = 0;
  for (const Cut& cut : cuts) {
    extents.push_back(TRY(put_cut(window.subspan(offset, cut.size_bytes), cut)));
    offset += cut.size_bytes;
  }
  return extents;
}

}  // namespace holdfast::job
