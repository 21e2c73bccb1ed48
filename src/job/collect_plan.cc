// SPDX-License-Identifier: Apache-2.0
#include "job/collect_plan.h"

#include <algorithm>

namespace holdfast::job {

namespace {

// So many packs below half the usual size are worth putting together.
constexpr size_t small_packs_max = 8;
// Large packs are padded to multiples of this, small ones by an eighth at most.
constexpr uint64_t padding_bytes_max = 64 << 10;
// Less unused room than this share of a full pack is not worth a move: origin records and estimates lie within it.
constexpr uint64_t negligible_share = 64;

struct Candidate {
  format::PackInfo info;
  std::vector<std::pair<size_t, uint32_t>> places;  // Table, place in its pack table.
  uint64_t live_bytes = 0;
  size_t live_count = 0;
  bool is_small = false;
  uint64_t negligible_bytes = 0;

  uint64_t unused_bytes() const {
    const uint64_t padding = is_small ? info.size_bytes / 8 : padding_bytes_max;
    const uint64_t used =
        live_bytes + format::pack_size_bytes_min + padding + live_count * format::RecordHeader::size_bytes;
    const uint64_t unused = info.size_bytes > used ? info.size_bytes - used : 0;
    return unused > negligible_bytes ? unused : 0;
  }
};

// The records in use, by offset, each once: several segments may name one.
std::vector<format::ChunkLocation> live_records(const LiveSet& live, const std::vector<EntriesByPack>& by_pack,
                                                const Candidate& pack) {
  std::vector<format::ChunkLocation> records;
  for (const auto& [table, place] : pack.places) {
    for (const uint32_t entry : by_pack[table].of(place)) {
      const LiveSet::Place found{static_cast<uint32_t>(table), entry};
      if (live.is_chunk_marked(found)) records.push_back(live.chunk(found));
    }
  }
  const auto offset = [](const format::ChunkLocation& record) { return record.offset_bytes; };
  std::sort(records.begin(), records.end(), [&](const auto& a, const auto& b) { return offset(a) < offset(b); });
  records.erase(std::unique(records.begin(), records.end(),
                            [&](const auto& a, const auto& b) { return offset(a) == offset(b); }),
                records.end());
  return records;
}

// What repacking may and must reach.
class Chooser {
 public:
  Chooser(const std::vector<Candidate>& partly, const CollectLimits& limits) : limits_(limits) {
    for (const Candidate& pack : partly) {
      total_bytes_ += pack.info.size_bytes;
      unused_bytes_ += pack.unused_bytes();
      if (pack.is_small) ++small_counts_[pack.info.kind];
    }
  }
  bool wants(const Candidate& pack) const {
    if (moved_bytes_ + pack.live_bytes > limits_.max_repack_bytes) return false;
    const auto small = small_counts_.find(pack.info.kind);
    if (pack.is_small && small != small_counts_.end() && small->second > small_packs_max) return true;
    const double allowed = static_cast<double>(total_bytes_) * limits_.max_unused_percent / 100;
    return pack.unused_bytes() > 0 && static_cast<double>(unused_bytes_) > allowed;
  }
  void take(const Candidate& pack) {
    moved_bytes_ += pack.live_bytes;
    unused_bytes_ -= pack.unused_bytes();
    total_bytes_ -= pack.unused_bytes();
  }
  uint64_t unused_bytes() const { return unused_bytes_; }

 private:
  const CollectLimits limits_;
  uint64_t total_bytes_ = 0, unused_bytes_ = 0, moved_bytes_ = 0;
  std::map<uint8_t, size_t> small_counts_;
};

}  // namespace

CollectPlan make_collect_plan(const LiveSet& live, const std::set<ObjectId>& missing, uint64_t pack_size_bytes,
                              const CollectLimits& limits) {
  std::vector<EntriesByPack> by_pack;
  std::map<ObjectId, Candidate> packs;
  for (size_t table = 0; table < live.table_count(); ++table) {
    const format::SegmentView& view = live.table(table).view();
    by_pack.emplace_back(view);
    for (uint32_t place = 0; place < view.packs().size(); ++place) {
      const format::PackInfo& info = view.packs()[place];
      if (missing.contains(info.id)) continue;
      Candidate& pack = packs[info.id];
      pack.info = info;
      pack.places.emplace_back(table, place);
    }
  }
  CollectPlan plan;
  std::vector<Candidate> partly;
  for (auto& [id, pack] : packs) {
    for (const format::ChunkLocation& record : live_records(live, by_pack, pack)) {
      pack.live_bytes += record.size_bytes;
      ++pack.live_count;
    }
    if (pack.live_count == 0) {
      plan.dead.insert(id);
      plan.removed_bytes += pack.info.size_bytes;
      continue;
    }
    pack.is_small = pack.info.size_bytes < pack_size_bytes / 2;
    pack.negligible_bytes = pack_size_bytes / negligible_share;
    partly.push_back(std::move(pack));
  }
  std::sort(partly.begin(), partly.end(), [](const Candidate& a, const Candidate& b) {
    // By share unused; products instead of quotients.
    const uint64_t left = a.unused_bytes() * b.info.size_bytes, right = b.unused_bytes() * a.info.size_bytes;
    return left != right ? left > right : a.info.id < b.info.id;
  });
  Chooser chooser(partly, limits);
  for (const Candidate& pack : partly) {
    if (!chooser.wants(pack)) continue;
    chooser.take(pack);
    plan.repack.push_back({pack.info, live_records(live, by_pack, pack), pack.live_bytes});
  }
  plan.unused_bytes_left = chooser.unused_bytes();
  return plan;
}

void add_orphans(CollectPlan& plan, const LiveSet& live, vault::DomainId domain,
                 const std::map<std::string, uint64_t>& stored) {
  std::set<std::string> named;
  for (size_t table = 0; table < live.table_count(); ++table) {
    for (const format::PackInfo& pack : live.table(table).view().packs()) {
      named.insert(vault::pack_key(static_cast<vault::PackKind>(pack.kind), domain, vault::AuthorId{pack.author},
                                   pack.id));
    }
  }
  for (const auto& [key, size_bytes] : stored) {
    if (named.contains(key)) continue;
    plan.orphans.insert(key);
    plan.removed_bytes += size_bytes;
  }
}

void append_contents(format::SegmentContents& to, const format::SegmentContents& from) {
  const auto pack_count = static_cast<uint32_t>(to.packs.size());
  const auto chunk_count = static_cast<uint32_t>(to.chunks.size());
  to.packs.insert(to.packs.end(), from.packs.begin(), from.packs.end());
  for (format::ChunkLocation chunk : from.chunks) {
    chunk.pack += pack_count;
    to.chunks.push_back(chunk);
  }
  for (format::PieceLocation piece : from.pieces) {
    piece.bundle += chunk_count;
    to.pieces.push_back(piece);
  }
}

}  // namespace holdfast::job
