// SPDX-License-Identifier: Apache-2.0
#include "job/pack_mover.h"

#include <algorithm>

#include "crypto/hash.h"
#include "job/index_merger.h"
#include "vault/pack_survey.h"

namespace holdfast::job {

namespace {

// Live records of so many packs are looked up in one pass over the index.
constexpr size_t packs_a_pass_max = 4096;

}  // namespace

Result<MovedPacks> PackMover::run(const CollectPlan& plan) {
  TRY_DO(move_all(plan, vault::PackKind::data));
  TRY_DO(move_all(plan, vault::PackKind::metadata));
  if (!written_.chunks.empty()) {
    written_.order = domain_.log().head().number;  // The newest home.
    IndexMerger merger(vault_, domain_, live_);
    TRY_DO(merger.write(std::move(written_), {}));
  }
  return std::move(moved_);
}

Status PackMover::move_all(const CollectPlan& plan, vault::PackKind kind) {
  std::vector<const PackUse*> wanted;
  for (const PackUse& pack : plan.repack) {
    if (pack.info.kind == static_cast<uint8_t>(kind)) wanted.push_back(&pack);
  }
  vault::Repacker repacker(vault_, domain_, kind);
  for (size_t first = 0; first < wanted.size(); first += packs_a_pass_max) {
    const size_t last = std::min(first + packs_a_pass_max, wanted.size());
    std::set<ObjectId> ids;
    for (size_t place = first; place < last; ++place) ids.insert(wanted[place]->info.id);
    const auto records = live_records(live_, ids);
    for (size_t place = first; place < last; ++place) {
      if (stop_.stop_requested()) return Error(ErrorCode::cancelled, "the collection was stopped");
      TRY_DO(move_pack(*wanted[place], records.at(wanted[place]->info.id), repacker));
    }
  }
  TRY_DO(repacker.finish());
  format::SegmentContents contents = repacker.take_contents();
  moved_.written_packs += contents.packs.size();
  moved_.written_bytes += repacker.written_bytes();
  append_contents(written_, contents);
  return {};
}

// The whole pack is read and compared with its name first, so that nothing damaged is moved under a new, good name.
Status PackMover::move_pack(const PackUse& pack, const std::vector<format::ChunkLocation>& live,
                            vault::Repacker& repacker) {
  const std::string key = vault::pack_key(domain_.id(), vault::name_of(pack.info));
  const auto whole = vault_.store().get(key, std::nullopt);
  if (!whole || ObjectId::from(crypto::hash(*whole)) != pack.info.id || whole->size() != pack.info.size_bytes) {
    // It stays as it is: verify tells what it means.
    observer_.progress.problems.fetch_add(1, std::memory_order_relaxed);
    observer_.skipped(key, whole ? Error(ErrorCode::corrupt, "its bytes do not match its name; it stays")
                                 : whole.error());
    return {};
  }
  for (const format::ChunkLocation& record : live) {
    TRY_DO(repacker.move(pack.info, ByteView(*whole).subspan(record.offset_bytes, record.size_bytes)));
  }
  moved_.from.insert(pack.info.id);
  moved_.from_bytes += pack.info.size_bytes;
  moved_.live_bytes += pack.live_bytes;
  observer_.progress.bytes_done.fetch_add(pack.info.size_bytes, std::memory_order_relaxed);
  return {};
}

}  // namespace holdfast::job
