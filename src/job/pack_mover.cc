// SPDX-License-Identifier: Apache-2.0
#include "job/pack_mover.h"

#include <utility>

#include "job/index_merger.h"
#include "job/pack_reader.h"

namespace holdfast::job {

namespace {

// Live records are looked up in one pass over the index for so many of them, of 32 bytes.
constexpr uint64_t records_a_pass_max = 1 << 20;

}  // namespace

Result<MovedPacks> PackMover::run(const CollectPlan& plan) {
  const auto move = [&]() -> Status {
    TRY_DO(move_all(plan, vault::PackKind::data));
    TRY_DO(move_all(plan, vault::PackKind::metadata));
    return write_segment();
  };
  const Status moved = move();
  moved_.no_space = !moved && moved.error().code() == ErrorCode::no_space;
  if (!moved_.no_space) TRY_DO(moved);
  return std::move(moved_);
}

Status PackMover::move_all(const CollectPlan& plan, vault::PackKind kind) {
  vault::Repacker repacker(vault_, domain_, kind);
  Packs packs;
  uint64_t record_count = 0;
  for (const PackUse& pack : plan.repack) {
    if (pack.info.kind != static_cast<uint8_t>(kind)) continue;
    if (!packs.empty() && record_count + pack.live_count > records_a_pass_max) {
      TRY_DO(move_some(std::exchange(packs, {}), repacker));
      record_count = 0;
    }
    packs.push_back(&pack);
    record_count += pack.live_count;
  }
  TRY_DO(move_some(packs, repacker));
  return finish_packs(repacker);
}

Status PackMover::move_some(const Packs& packs, vault::Repacker& repacker) {
  std::set<ObjectId> ids;
  std::vector<format::PackInfo> infos;
  for (const PackUse* pack : packs) {
    ids.insert(pack->info.id);
    infos.push_back(pack->info);
  }
  const auto records = live_records(live_, ids);
  PackReader reader(vault_.store(), domain_.id(), std::move(infos));
  for (const PackUse* pack : packs) {
    if (request_.stop.stop_requested()) return Error(ErrorCode::cancelled, "the collection was stopped");
    const auto read = reader.next();
    if (!read->whole) {  // It stays as it is: verify tells what it means.
      observer_.progress.problems.fetch_add(1, std::memory_order_relaxed);
      observer_.skipped(read->key, read->whole.error());
      continue;
    }
    TRY_DO(move_pack(pack->info, *read->whole, records.at(pack->info.id), repacker));
    copied_.push_back(pack);
    const uint64_t named_bytes =
        format::segment_size_bytes(written_) + format::segment_size_bytes(repacker.contents());
    if (named_bytes < request_.segment_size_bytes) continue;
    TRY_DO(finish_packs(repacker));
    TRY_DO(write_segment());
  }
  return {};
}

Status PackMover::move_pack(const format::PackInfo& pack, ByteView whole,
                            const std::vector<format::ChunkLocation>& live, vault::Repacker& repacker) {
  for (const format::ChunkLocation& record : live) {
    TRY_DO(repacker.move(pack, whole.subspan(record.offset_bytes, record.size_bytes)));
  }
  observer_.progress.bytes_done.fetch_add(pack.size_bytes, std::memory_order_relaxed);
  return {};
}

Status PackMover::finish_packs(vault::Repacker& repacker) {
  TRY_DO(repacker.finish());
  append_contents(written_, repacker.take_contents());
  return {};
}

// From here on what was copied has moved.
Status PackMover::write_segment() {
  if (!written_.chunks.empty()) {
    moved_.written_packs += written_.packs.size();
    for (const format::PackInfo& pack : written_.packs) moved_.written_bytes += pack.size_bytes;
    written_.order = domain_.log().head().number;  // The newest home.
    TRY_DO(job::write_segment(vault_, domain_, std::exchange(written_, {})));
  }
  for (const PackUse* pack : std::exchange(copied_, {})) {
    moved_.from.insert(pack->info.id);
    moved_.from_bytes += pack->info.size_bytes;
    moved_.live_bytes += pack->live_bytes;
  }
  return {};
}

}  // namespace holdfast::job
