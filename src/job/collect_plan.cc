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
  PackUse use;
  bool is_small = false;
  uint64_t negligible_bytes = 0;

  uint64_t size_bytes() const { return use.info.size_bytes; }
  uint64_t unused_bytes() const {
    const uint64_t padding = is_small ? size_bytes() / 8 : padding_bytes_max;
    const uint64_t used =
        use.live_bytes + format::pack_size_bytes_min + padding + use.live_count * format::RecordHeader::size_bytes;
    const uint64_t unused = size_bytes() > used ? size_bytes() - used : 0;
    return unused > negligible_bytes ? unused : 0;
  }
};

// What of each pack is in use. Counters by a table's pack places: no entry costs memory.
std::map<ObjectId, PackUse> uses_of(const LiveSet& live) {
  std::map<ObjectId, PackUse> uses;
  for (size_t table = 0; table < live.table_count(); ++table) {
    const format::SegmentView& view = live.table(table).view();
    std::vector<std::pair<uint64_t, uint64_t>> counts(view.packs().size());
    for (uint32_t entry = 0; entry < view.chunk_count(); ++entry) {
      if (!live.is_chunk_marked({static_cast<uint32_t>(table), entry})) continue;
      const format::ChunkLocation chunk = view.chunk(entry);
      counts[chunk.pack].first += chunk.size_bytes;
      counts[chunk.pack].second += 1;
    }
    for (size_t place = 0; place < counts.size(); ++place) {
      PackUse& use = uses[view.packs()[place].id];
      use.info = view.packs()[place];
      use.live_bytes += counts[place].first;
      use.live_count += counts[place].second;
    }
  }
  return uses;
}

// What repacking may and must reach.
class Chooser {
 public:
  Chooser(const std::vector<Candidate>& partly, const CollectLimits& limits) : limits_(limits) {
    for (const Candidate& pack : partly) {
      total_bytes_ += pack.size_bytes();
      unused_bytes_ += pack.unused_bytes();
      if (pack.is_small) ++small_counts_[pack.use.info.kind];
    }
  }
  bool wants(const Candidate& pack) const {
    if (moved_bytes_ + pack.use.live_bytes > limits_.max_repack_bytes) return false;
    const auto small = small_counts_.find(pack.use.info.kind);
    if (pack.is_small && small != small_counts_.end() && small->second > small_packs_max) return true;
    const double allowed = static_cast<double>(total_bytes_) * limits_.max_unused_percent / 100;
    return pack.unused_bytes() > 0 && static_cast<double>(unused_bytes_) > allowed;
  }
  void take(const Candidate& pack) {
    moved_bytes_ += pack.use.live_bytes;
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

CollectPlan make_collect_plan(const LiveSet& live, const vault::PackFates& out_of_question, uint64_t pack_size_bytes,
                              const CollectLimits& limits) {
  CollectPlan plan;
  std::vector<Candidate> partly;
  for (auto& [id, use] : uses_of(live)) {
    if (out_of_question.contains(id)) continue;
    if (use.live_count == 0) {
      plan.dead.emplace(id, use.info);
      continue;
    }
    if (live.is_missing(id)) continue;
    partly.push_back({.use = use,
                      .is_small = use.info.size_bytes < pack_size_bytes / 2,
                      .negligible_bytes = pack_size_bytes / negligible_share});
  }
  std::sort(partly.begin(), partly.end(), [](const Candidate& a, const Candidate& b) {
    // By share unused; products instead of quotients.
    const uint64_t left = a.unused_bytes() * b.size_bytes(), right = b.unused_bytes() * a.size_bytes();
    return left != right ? left > right : a.use.info.id < b.use.info.id;
  });
  Chooser chooser(partly, limits);
  for (const Candidate& pack : partly) {
    if (!chooser.wants(pack)) continue;
    chooser.take(pack);
    plan.repack.push_back(pack.use);
  }
  plan.unused_bytes_left = chooser.unused_bytes();
  return plan;
}

std::vector<format::PackName> find_orphans(const LiveSet& live, const std::map<format::PackName, uint64_t>& stored) {
  std::set<format::PackName> named;
  for (size_t table = 0; table < live.table_count(); ++table) {
    for (const format::PackInfo& pack : live.table(table).view().packs()) {
      named.insert({pack.kind, pack.author, pack.id});
    }
  }
  std::vector<format::PackName> orphans;
  for (const auto& [name, size_bytes] : stored) {
    if (!named.contains(name)) orphans.push_back(name);
  }
  return orphans;
}

std::map<ObjectId, std::vector<format::ChunkLocation>> live_records(const LiveSet& live,
                                                                    const std::set<ObjectId>& packs) {
  std::map<ObjectId, std::vector<format::ChunkLocation>> records;
  for (size_t table = 0; table < live.table_count(); ++table) {
    const format::SegmentView& view = live.table(table).view();
    std::vector<std::vector<format::ChunkLocation>*> wanted(view.packs().size());
    for (size_t place = 0; place < wanted.size(); ++place) {
      const ObjectId& id = view.packs()[place].id;
      if (packs.contains(id)) wanted[place] = &records[id];
    }
    for (uint32_t entry = 0; entry < view.chunk_count(); ++entry) {
      if (!live.is_chunk_marked({static_cast<uint32_t>(table), entry})) continue;
      const format::ChunkLocation chunk = view.chunk(entry);
      if (wanted[chunk.pack] != nullptr) wanted[chunk.pack]->push_back(chunk);
    }
  }
  for (auto& [id, list] : records) {
    std::sort(list.begin(), list.end(),
              [](const auto& a, const auto& b) { return a.offset_bytes < b.offset_bytes; });
    const auto same = [](const auto& a, const auto& b) { return a.offset_bytes == b.offset_bytes; };
    list.erase(std::unique(list.begin(), list.end(), same), list.end());
  }
  return records;
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
