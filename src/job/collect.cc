// SPDX-License-Identifier: Apache-2.0
#include "job/collect.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "crypto/hash.h"
#include "job/collect_plan.h"
#include "job/reachability.h"
#include "vault/repacker.h"

namespace holdfast::job {

namespace {

// A reader merges so many segments' answers with ease; beyond that they are merged into one.
constexpr size_t segments_max = 16;

Status check_stop(const std::stop_token& stop) {
  if (stop.stop_requested()) return Error(ErrorCode::cancelled, "the collection was stopped");
  return {};
}

// Ends the walk at the first thing that is broken, and remembers in which point.
class MarkVisitor : public ReachabilityVisitor {
 public:
  MarkVisitor(const LiveSet& live, const std::set<ObjectId>& missing_packs, Observer& observer)
      : live_(live), missing_packs_(missing_packs), observer_(observer) {}
  Status reached(const Reference& reference, LiveSet::Place chunk) override {
    const format::PackInfo& pack = live_.pack(chunk);
    if (!missing_packs_.contains(pack.id)) return {};
    return broken(reference, Error(ErrorCode::corrupt, "pack " + to_hex(pack.id) + ", which it needs, is missing"));
  }
  Status broken(const Reference& reference, Error error) override {
    point = reference.point;
    return error;
  }
  void entry_visited() override { observer_.progress.entries_done.fetch_add(1, std::memory_order_relaxed); }

  std::optional<ObjectId> point;

 private:
  const LiveSet& live_;
  const std::set<ObjectId>& missing_packs_;
  Observer& observer_;
};

// One domain: mark, plan, copy, switch the index over, remove.
class DomainCollector {
 public:
  DomainCollector(vault::Vault& vault, vault::Vault::Domain& domain, const CollectRequest& request, Observer& observer,
                  CollectReport& report)
      : vault_(vault), domain_(domain), request_(request), observer_(observer), report_(report) {}

  // The domain's own trouble goes into the report; an error is the whole run's.
  Status run(bool has_lock);

 private:
  Status begin();
  Status fence();
  Status end();
  Status list_packs();
  Result<bool> mark();
  void refuse(std::optional<ObjectId> point, Error error);
  Status repack();
  Status repack_one(const PlannedPack& pack, vault::Repacker& repacker);
  bool is_going(const ObjectId& pack) const { return going_.contains(pack); }
  Status merge_index();
  std::vector<size_t> tables_to_replace() const;
  void take_table(const vault::IndexTable& table, format::SegmentContents& contents) const;
  Status write_segment(format::SegmentContents contents, std::vector<ObjectId> replaces);
  Status remove_old();
  Status remove_object(const std::string& key);
  std::string key_of(const format::PackInfo& pack) const {
    const auto kind = static_cast<vault::PackKind>(pack.kind);
    return vault::pack_key(kind, domain_.id(), vault::AuthorId{pack.author}, pack.id);
  }

  vault::Vault& vault_;
  vault::Vault::Domain& domain_;
  const CollectRequest& request_;
  Observer& observer_;
  CollectReport& report_;
  format::SessionId session_{};
  size_t fenced_count_ = 0;
  std::map<std::string, uint64_t> stored_packs_;  // Keys and sizes, as listed.
  std::unique_ptr<LiveSet> live_;
  CollectPlan plan_;
  std::set<ObjectId> missing_;                    // Named by the index, not in the store.
  std::set<ObjectId> going_;                      // Packs that no segment may name any more.
  format::SegmentContents moved_;                 // What repacking wrote.
  std::vector<ObjectId> old_segments_;
};

Status DomainCollector::begin() {
  vault_.rng().fill(session_);
  format::SessionBody body;
  body.session = session_;
  body.purpose = "collect";
  (void)TRY(domain_.log().append(format::LogKind::session, format::encode(body), vault_.rng(), vault_.clock(),
                                 [] { return Status(); }));
  return fence();
}

// From here on no session that began earlier can commit; what they stored and nothing else names may go.
Status DomainCollector::fence() {
  format::FenceBody body;
  const auto gather = [&]() -> Status {
    body.sessions.clear();
    for (const auto& [id, session] : domain_.log().sessions()) {
      if (id != session_) body.sessions.push_back(id);
    }
    return {};
  };
  TRY_DO(gather());
  fenced_count_ += body.sessions.size();
  report_.fenced_sessions += body.sessions.size();
  if (body.sessions.empty()) return {};
  (void)TRY(domain_.log().append(format::LogKind::fence, format::encode(body), vault_.rng(), vault_.clock(),
                                 [] { return Status(); }));
  return {};
}

Status DomainCollector::end() {
  format::EndBody body;
  body.session = session_;
  (void)TRY(domain_.log().append(format::LogKind::end, format::encode(body), vault_.rng(), vault_.clock(),
                                 [] { return Status(); }));
  return {};
}

Status DomainCollector::list_packs() {
  for (const vault::PackKind kind : {vault::PackKind::data, vault::PackKind::metadata}) {
    TRY_DO(vault_.store().list(vault::pack_prefix(kind, domain_.id()), "",
                               [&](const store::ObjectInfo& object) -> Status {
                                 if (vault::parse_object_key(object.key)) {
                                   stored_packs_[object.key] = object.size_bytes;
                                 }
                                 return {};
                               }));
  }
  for (size_t table = 0; table < live_->table_count(); ++table) {
    for (const format::PackInfo& pack : live_->table(table).view().packs()) {
      if (!stored_packs_.contains(key_of(pack))) missing_.insert(pack.id);
    }
  }
  return {};
}

void DomainCollector::refuse(std::optional<ObjectId> point, Error error) {
  observer_.progress.problems.fetch_add(1, std::memory_order_relaxed);
  observer_.skipped(fmt::format("domain {}", domain_.id()), error);
  report_.refused.push_back({domain_.id(), point, std::move(error)});
}

// Whether all is readable that must be known to say what is dead.
Result<bool> DomainCollector::mark() {
  TRY_DO(domain_.reload_index());
  if (const auto damage = domain_.index_damage(); !damage.empty()) {
    refuse({}, Error(damage.front().error).during(damage.front().key));
    return false;
  }
  if (!domain_.log().alarms().empty() && !request_.accept_alarms) {
    refuse({}, Error(ErrorCode::corrupt, domain_.log().alarms().front())
                   .with_hint("What was ignored may have been a damaged recovery point: look into it first."));
    return false;
  }
  live_ = std::make_unique<LiveSet>(domain_.index());
  TRY_DO(list_packs());
  MarkVisitor visitor(*live_, missing_, observer_);
  Reachability walk(domain_, *live_, Reachability::Leaves::needed, visitor, request_.stop);
  for (const auto& [id, point] : domain_.log().points()) {
    const Status walked = walk.walk(point);
    if (walked) continue;
    if (!visitor.point) return walked.error();  // Stopped.
    refuse(visitor.point, walked.error());
    return false;
  }
  return true;
}

Status DomainCollector::repack() {
  for (const vault::PackKind kind : {vault::PackKind::data, vault::PackKind::metadata}) {
    vault::Repacker repacker(vault_, domain_, kind);
    for (const PlannedPack& pack : plan_.repack) {
      if (pack.info.kind != static_cast<uint8_t>(kind)) continue;
      TRY_DO(check_stop(request_.stop));
      TRY_DO(repack_one(pack, repacker));
    }
    TRY_DO(repacker.finish());
    report_.written_bytes += repacker.written_bytes();
    format::SegmentContents written = repacker.take_contents();
    report_.written_packs += written.packs.size();
    append_contents(moved_, written);
  }
  return {};
}

// The whole pack is read and compared with its name first, so that nothing damaged is moved under a new, good name.
Status DomainCollector::repack_one(const PlannedPack& pack, vault::Repacker& repacker) {
  const auto whole = vault_.store().get(key_of(pack.info), std::nullopt);
  if (!whole || ObjectId::from(crypto::hash(*whole)) != pack.info.id || whole->size() != pack.info.size_bytes) {
    // It stays as it is: verify tells what it means.
    observer_.progress.problems.fetch_add(1, std::memory_order_relaxed);
    observer_.skipped(key_of(pack.info), whole ? Error(ErrorCode::corrupt, "its bytes do not match its name; it stays")
                                               : whole.error());
    return {};
  }
  for (const format::ChunkLocation& record : pack.live) {
    TRY_DO(repacker.move(pack.info, ByteView(*whole).subspan(record.offset_bytes, record.size_bytes)));
  }
  going_.insert(pack.info.id);
  ++report_.repacked_packs;
  report_.repacked_bytes += pack.info.size_bytes;
  report_.moved_bytes += pack.live_bytes;
  observer_.progress.bytes_done.fetch_add(pack.info.size_bytes, std::memory_order_relaxed);
  return {};
}

// Those that name a pack which goes, and all small ones if there are too many.
std::vector<size_t> DomainCollector::tables_to_replace() const {
  std::vector<size_t> tables;
  const bool too_many = live_->table_count() > segments_max;
  for (size_t table = 0; table < live_->table_count(); ++table) {
    const format::SegmentView& view = live_->table(table).view();
    const bool is_small = view.size_bytes() < format::segment_size_bytes_aim / 2;
    const bool is_touched =
        std::any_of(view.packs().begin(), view.packs().end(), [&](const auto& pack) { return is_going(pack.id); });
    if (is_touched || (too_many && is_small)) tables.push_back(table);
  }
  return tables;
}

// Adds all that a table says of packs that stay, whether in use or not: what is there can be used again.
void DomainCollector::take_table(const vault::IndexTable& table, format::SegmentContents& contents) const {
  const format::SegmentView& view = table.view();
  constexpr uint32_t gone = UINT32_MAX;
  std::vector<uint32_t> pack_places, chunk_places;
  for (const format::PackInfo& pack : view.packs()) {
    pack_places.push_back(is_going(pack.id) ? gone : static_cast<uint32_t>(contents.packs.size()));
    if (!is_going(pack.id)) contents.packs.push_back(pack);
  }
  chunk_places.reserve(view.chunk_count());
  for (size_t place = 0; place < view.chunk_count(); ++place) {
    format::ChunkLocation chunk = view.chunk(place);
    chunk.pack = pack_places[chunk.pack];
    chunk_places.push_back(chunk.pack == gone ? gone : static_cast<uint32_t>(contents.chunks.size()));
    if (chunk.pack != gone) contents.chunks.push_back(chunk);
  }
  for (size_t place = 0; place < view.piece_count(); ++place) {
    format::PieceLocation piece = view.piece(place);
    piece.bundle = chunk_places[piece.bundle];
    if (piece.bundle != gone) contents.pieces.push_back(piece);
  }
}

Status DomainCollector::write_segment(format::SegmentContents contents, std::vector<ObjectId> replaces) {
  contents.replaces = std::move(replaces);
  const Bytes plain = format::encode_segment(std::move(contents));
  const Bytes object = TRY(vault::seal_segment(vault_, domain_.keys(), plain));
  const ObjectId id = ObjectId::from(crypto::hash(object));
  const std::array<ByteView, 1> parts{ByteView(object)};
  ++report_.segments_after;
  return vault_.store()
      .create(vault::segment_key(domain_.id(), vault_.keyring().self().id, id), parts)
      .during("write index segment");
}

Status DomainCollector::merge_index() {
  const std::vector<size_t> tables = tables_to_replace();
  report_.segments_before += live_->table_count();
  report_.segments_after += live_->table_count() - tables.size();
  format::SegmentContents contents = std::move(moved_);
  for (const size_t table : tables) {
    const vault::IndexTable& old = live_->table(table);
    old_segments_.push_back(old.segment());
    const uint64_t size_bytes = format::segment_size_bytes(contents) + old.view().size_bytes();
    if (!contents.packs.empty() && size_bytes > format::segment_size_bytes_aim) {
      TRY_DO(write_segment(std::exchange(contents, {}), {}));
    }
    take_table(old, contents);
    contents.order = std::max(contents.order, old.view().order());
  }
  if (contents.chunks.empty()) return {};
  // The last one says what all of them together replace: without it the old ones still count.
  return write_segment(std::move(contents), old_segments_);
}

Status DomainCollector::remove_object(const std::string& key) {
  const Status removed = vault_.store().remove(key);
  if (!removed && removed.error().code() != ErrorCode::not_found) return removed;
  return {};
}

Status DomainCollector::remove_old() {
  // By now everything that lives is named by segments that stay.
  std::vector<std::string> segments;
  const std::set<ObjectId> old(old_segments_.begin(), old_segments_.end());
  TRY_DO(vault_.store().list(vault::segment_prefix(domain_.id()), "", [&](const store::ObjectInfo& object) -> Status {
    const auto name = vault::parse_object_key(object.key);
    if (name && old.contains(name->id)) segments.push_back(object.key);
    return {};
  }));
  for (const std::string& key : segments) TRY_DO(remove_object(key));
  // No segment names these any more.
  for (const auto& [key, size_bytes] : stored_packs_) {
    const ObjectId id = vault::parse_object_key(key)->id;
    const bool is_orphan = plan_.orphans.contains(key);
    if (is_orphan || is_going(id)) TRY_DO(remove_object(key));
  }
  return {};
}

Status DomainCollector::run(bool has_lock) {
  if (request_.dry_run) {
    TRY_DO(domain_.log().refresh());
  } else {
    TRY_DO(begin());
  }
  const bool is_marked = TRY(mark());
  if (!is_marked) return request_.dry_run ? Status() : end();
  plan_ = make_collect_plan(*live_, missing_, vault_.keyring().parameters().pack_size_bytes,
                            {.max_unused_percent = request_.max_unused_percent,
                             .max_repack_bytes = request_.max_repack_bytes});
  if (has_lock || fenced_count_ == 0) add_orphans(plan_, *live_, domain_.id(), stored_packs_);
  for (const auto& [key, size_bytes] : stored_packs_) report_.bytes_before += size_bytes;
  report_.packs_before += stored_packs_.size();
  report_.removed_packs += plan_.dead.size() + plan_.orphans.size();
  report_.removed_bytes += plan_.removed_bytes;
  report_.unused_bytes_left += plan_.unused_bytes_left;
  if (request_.dry_run) {
    for (const PlannedPack& pack : plan_.repack) {
      ++report_.repacked_packs;
      report_.repacked_bytes += pack.info.size_bytes;
      report_.moved_bytes += pack.live_bytes;
    }
    report_.segments_before += live_->table_count();
    report_.segments_after += live_->table_count();
    return {};
  }
  going_ = plan_.dead;
  going_.insert(missing_.begin(), missing_.end());
  TRY_DO(repack());
  TRY_DO(merge_index());
  TRY_DO(check_stop(request_.stop));
  if (!has_lock) {
    // Nothing keeps sessions from beginning meanwhile; what they lean on may go now, so they may not commit. They may
    // be at work all the same: what no segment names may be theirs, and stays this time.
    TRY_DO(domain_.log().refresh());
    TRY_DO(fence());
    if (fenced_count_ > 0) plan_.orphans.clear();
  }
  TRY_DO(remove_old());
  TRY_DO(domain_.reload_index());
  return end();
}

}  // namespace

Result<CollectReport> run_collect(vault::Vault& vault, const CollectRequest& request, Observer& observer) {
  if (vault.keyring().role() == vault::Role::agent) {
    return Error(ErrorCode::refused, "an agent cannot remove anything from a vault")
        .with_hint("Use the owner's passphrase or key, or a collector's credential.");
  }
  std::unique_ptr<store::StoreLock> lock;
  const bool has_lock = !request.dry_run && vault.store().capabilities().locks;
  if (has_lock) {
    auto taken = vault.store().try_lock(store::LockMode::exclusive);
    if (!taken) return std::move(taken.error()).during("collect").with_hint("A backup is at work; collect later.");
    lock = std::move(*taken);
  }
  CollectReport report;
  for (const vault::DomainId id : vault.keyring().domains()) {
    vault::Vault::Domain& domain = *TRY(vault.domain(id));
    DomainCollector collector(vault, domain, request, observer, report);
    TRY_DO(collector.run(has_lock).during(fmt::format("collect domain {}", id)));
  }
  return report;
}

}  // namespace holdfast::job
