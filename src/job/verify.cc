// SPDX-License-Identifier: Apache-2.0
#include "job/verify.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <thread>

#include "base/mutex.h"
#include "base/newer.h"
#include "format/file_attributes.h"
#include "job/live_set.h"
#include "job/pack_audit.h"
#include "job/reachability.h"
#include "job/verify_findings.h"
#include "store/redundancy.h"
#include "vault/index_homes.h"

namespace holdfast::job {

namespace {

constexpr int attempts_max = 4;

std::string readable_path(ByteView key) {
  if (key.empty()) return {};
  auto path = format::key_to_path(key);
  return path ? std::move(*path) : "key " + to_hex(key);
}

struct PackPlace {
  ObjectId pack;
  uint32_t offset_bytes = 0;
  friend auto operator<=>(const PackPlace&, const PackPlace&) = default;
};

// What is known to be bad before the trees are walked. Written by one thread at a time.
struct BadPlaces {
  std::set<ObjectId> packs;        // Missing or cut short: nothing in them counts.
  std::set<PackPlace> records;
};

// One domain, from its log to its contents.
class DomainVerifier : public ReachabilityVisitor {
 public:
  DomainVerifier(vault::Vault& vault, vault::Vault::Domain& domain, const VerifyRequest& request, Findings& findings,
                 Observer& observer)
      : vault_(vault), domain_(domain), request_(request), findings_(findings), observer_(observer) {}

  Status run();

 private:
  // A pack named by the index; the tables it stands in.
  struct KnownPack {
    const format::PackInfo* info = nullptr;
    std::vector<std::pair<size_t, uint32_t>> places;  // Table, place in its pack table.
    bool present = false;
    bool in_use = false;                              // Named by a walked point.
  };
  struct OrphanPack {
    std::string key;
    ObjectId name;
    uint64_t size_bytes = 0;
  };

  bool is_partial() const { return !request_.points.empty(); }
  Status check_stop() const {
    if (request_.stop.stop_requested()) return Error(ErrorCode::cancelled, "the verification was stopped");
    return {};
  }
  std::string key_of(const format::PackInfo& pack) const {
    const auto kind = static_cast<vault::PackKind>(pack.kind);
    return vault::pack_key(kind, domain_.id(), vault::AuthorId{pack.author}, pack.id);
  }
  Status check_log();
  Status check_checkpoints(const vault::DomainLog& thorough);
  Status check_segments();
  void gather_packs();
  Status find_packs(vault::PackKind kind);
  Status mend(const std::string& key, uint64_t size_bytes);
  Status judge(const ObjectId& pack, const std::string& key, Error error);
  Status check_presence();
  Status walk_points();
  Status read_packs();
  Status read_some(const std::vector<const KnownPack*>& packs, std::atomic<size_t>& next);
  Status read_pack(PackAuditor& auditor, const KnownPack& pack);
  Status read_orphans();
  bool is_sampled(const ObjectId& pack, uint64_t salt) const;

  Status reached(const Reference& reference, LiveSet::Place chunk) override;
  Status broken(const Reference& reference, Error error) override;
  void entry_visited() override;

  vault::Vault& vault_;
  vault::Vault::Domain& domain_;
  const VerifyRequest& request_;
  Findings& findings_;
  Observer& observer_;
  std::unique_ptr<LiveSet> live_;
  std::vector<EntriesByPack> by_pack_;  // By table; only where packs are read.
  std::map<ObjectId, KnownPack> packs_;
  std::vector<OrphanPack> orphans_;
  Mutex bad_mutex_;
  BadPlaces bad_;  // Written under bad_mutex_; read by the walk alone.
  bool counting_ = true;
};

Status DomainVerifier::check_log() {
  // A log of its own reads every record from the first, whatever was read before or stands in checkpoints.
  vault::DomainLog log(vault_.store(), vault_.keyring(), domain_.id(), domain_.log().head());
  log.read_everything();
  const Status read = log.refresh();
  if (!read) {
    if (read.error().code() == ErrorCode::cancelled) return read;
    findings_.add(of_object(vault::log_prefix(domain_.id()), read.error()));
  }
  for (const std::string& alarm : log.alarms()) {
    findings_.add(of_object(vault::log_prefix(domain_.id()), Error(ErrorCode::corrupt, alarm)));
  }
  for (const Error& newer : log.newer()) findings_.add(of_object(vault::log_prefix(domain_.id()), newer));
  findings_.count([&](VerifyCounts& counts) { counts.log_records += log.head().number; });
  if (read) TRY_DO(check_checkpoints(log));
  // What the walk needs; if it fails, what was read so far is walked. It also knows how far the log went when it was
  // seen last, so that a log without its newest records is damage.
  const Status known = domain_.log().refresh();
  if (read && !known) findings_.add(of_object(vault::log_prefix(domain_.id()), known.error()));
  return {};
}

// Checkpoints are derived, so they must say what the records say.
Status DomainVerifier::check_checkpoints(const vault::DomainLog& thorough) {
  std::vector<std::string> keys;
  const std::string prefix = vault::checkpoint_prefix(domain_.id());
  TRY_DO(vault_.store().list(prefix, "", [&](const store::ObjectInfo& object) -> Status {
    keys.push_back(object.key);
    return {};
  }));
  for (const std::string& key : keys) {
    const auto number = vault::parse_numbered_key(key);
    if (!number || key != vault::checkpoint_key(domain_.id(), *number)) {
      findings_.count([](VerifyCounts& counts) { ++counts.stray_objects; });
      continue;
    }
    const auto object = vault_.store().get(key, std::nullopt);
    const auto plain = object ? vault::open_checkpoint(vault_.keyring(), domain_.id(), *number, *object)
                              : Result<Bytes>(object.error());
    auto checkpoint = plain ? vault::decode_checkpoint(domain_.id(), *plain) : Result<vault::Checkpoint>(plain.error());
    // One of a later version counts as missing (docs/format.md 14.3).
    const bool is_newer = !checkpoint && is_made_by_newer(checkpoint.error());
    if (!checkpoint && !is_newer) findings_.add(of_object(key, std::move(checkpoint.error())));
  }
  // What others append meanwhile must not stand between the two.
  vault::DomainLog quick(vault_.store(), vault_.keyring(), domain_.id(), {});
  quick.read_until(thorough.head().number);
  const Status read = quick.refresh();
  if (!read && read.error().code() == ErrorCode::cancelled) return read;
  if (!read) {
    findings_.add(of_object(prefix, read.error()));
  } else if (quick.head() != thorough.head() || encode(quick.state()) != encode(thorough.state())) {
    findings_.add(of_object(prefix, Error(ErrorCode::corrupt, "the checkpoint does not say what the log says")));
  }
  return {};
}

Status DomainVerifier::check_segments() {
  std::vector<std::string> keys;
  const auto take = [&](const store::Standing& standing) -> Status {
    keys.push_back(standing.object.key);
    if (standing.missing_parts > 0) findings_.count([](VerifyCounts& counts) { ++counts.thin_objects; });
    return {};
  };
  TRY_DO(store::list_standing(vault_.store(), vault::segment_prefix(domain_.id()), "", take));
  for (const std::string& key : keys) {
    TRY_DO(check_stop());
    const auto name = vault::parse_object_key(key);
    if (!name) {
      findings_.count([](VerifyCounts& counts) { ++counts.stray_objects; });
      continue;
    }
    auto object = vault_.store().get(key, std::nullopt);
    auto table = object ? vault::open_index_table(vault_.keyring(), domain_.keys(), *name, *object)
                        : Result<std::shared_ptr<const vault::IndexTable>>(object.error());
    if (!table) findings_.add(of_object(key, std::move(table.error())));
    findings_.count([](VerifyCounts& counts) { ++counts.segments; });
  }
  // What an earlier run kept of the index proves nothing about the vault.
  return domain_.reload_index();
}

void DomainVerifier::gather_packs() {
  live_ = std::make_unique<LiveSet>(domain_.index());
  // A purge record says what becomes of a pack; what the index still says of it means nothing.
  const auto& purged = domain_.log().state().purged();
  for (size_t table = 0; table < live_->table_count(); ++table) {
    const format::SegmentView& view = live_->table(table).view();
    if (request_.read_data) by_pack_.emplace_back(view);
    for (uint32_t place = 0; place < view.packs().size(); ++place) {
      if (purged.contains(view.packs()[place].id)) continue;
      KnownPack& pack = packs_[view.packs()[place].id];
      pack.info = &view.packs()[place];
      pack.places.emplace_back(table, place);
    }
  }
  findings_.count([&](VerifyCounts& counts) { counts.packs += packs_.size(); });
}

// A torn pack may be whole again once the store has looked at its redundancy; and one that others mend or move just now
// a listing may show as less than it is.
Status DomainVerifier::mend(const std::string& key, uint64_t size_bytes) {
  vault_.store().examine(key, store::Repair::write_back).ignore("what the store says next tells whether that helped");
  const auto info = vault_.store().stat(key);
  if (!info || info->size_bytes == size_bytes) return info ? Status() : info.error();
  return Error(ErrorCode::corrupt, fmt::format("pack is {} bytes long, not {}", info->size_bytes, size_bytes));
}

// Of what cannot be known at present nothing is said.
Status DomainVerifier::judge(const ObjectId& pack, const std::string& key, Error error) {
  if (error.code() == ErrorCode::not_found) error = Error(ErrorCode::corrupt, "pack is missing");
  if (error.code() != ErrorCode::corrupt) return error;
  bad_.packs.insert(pack);
  findings_.add(of_object(key, std::move(error)));
  return {};
}

Status DomainVerifier::find_packs(vault::PackKind kind) {
  const std::string prefix = vault::pack_prefix(kind, domain_.id());
  const auto take = [&](const store::Standing& standing) -> Status {
    TRY_DO(check_stop());
    const store::ObjectInfo& object = standing.object;
    const auto name = vault::parse_object_key(object.key);
    if (!name) {
      findings_.count([](VerifyCounts& counts) { ++counts.stray_objects; });
      return {};
    }
    const auto known = packs_.find(name->id);
    if (known == packs_.end() || key_of(*known->second.info) != object.key) {
      orphans_.push_back({object.key, name->id, object.size_bytes});
      return {};
    }
    const uint64_t size_bytes = known->second.info->size_bytes;
    Status there = object.size_bytes == size_bytes ? Status() : mend(object.key, size_bytes);
    known->second.present = there.has_value();
    if (!there) return judge(name->id, object.key, std::move(there.error()));
    if (standing.missing_parts > 0) findings_.count([](VerifyCounts& counts) { ++counts.thin_objects; });
    return {};
  };
  return store::list_standing(vault_.store(), prefix, "", take);
}

Status DomainVerifier::check_presence() {
  for (auto& [id, pack] : packs_) {
    if (pack.present || bad_.packs.contains(id)) continue;
    const std::string key = key_of(*pack.info);
    Status there = mend(key, pack.info->size_bytes);
    pack.present = there.has_value();
    if (!there) TRY_DO(judge(id, key, std::move(there.error())));
  }
  findings_.count([&](VerifyCounts& counts) {
    counts.orphan_packs += orphans_.size();
    for (const OrphanPack& orphan : orphans_) counts.orphan_bytes += orphan.size_bytes;
  });
  return {};
}

Status DomainVerifier::walk_points() {
  // Others are read instead.
  TRY_DO(live_->find_missing([&](const auto& pack) -> Result<bool> { return !bad_.packs.contains(pack.id); }));
  Reachability walk(domain_, *live_, Reachability::Leaves::all, *this, request_.stop);
  for (const auto& [id, point] : domain_.log().points()) {
    const auto& wanted = request_.points;
    if (is_partial() && std::find(wanted.begin(), wanted.end(), id) == wanted.end()) continue;
    TRY_DO(walk.walk(point));
    if (counting_) findings_.count([](VerifyCounts& counts) { ++counts.points; });
  }
  return {};
}

Status DomainVerifier::reached(const Reference& reference, LiveSet::Place chunk) {
  const format::PackInfo& pack = live_->pack(chunk);
  const format::ChunkLocation location = live_->chunk(chunk);
  if (counting_) {
    packs_.at(pack.id).in_use = true;
    const bool is_node = reference.kind == ReferenceKind::node;
    findings_.count([&](VerifyCounts& counts) { ++(is_node ? counts.nodes : counts.chunks); });
  }
  if (!bad_.packs.contains(pack.id) && !bad_.records.contains({pack.id, location.offset_bytes})) return {};
  // A node that cannot be read is told by broken().
  if (reference.kind == ReferenceKind::node) return {};
  findings_.add({.object_key = key_of(pack),
                 .chunk = reference.id,
                 .point = reference.point,
                 .path = readable_path(reference.key),
                 .error = Error(ErrorCode::corrupt, "what this path leans on is damaged or missing")});
  return {};
}

Status DomainVerifier::broken(const Reference& reference, Error error) {
  Damage damage{.object_key = {},
                .chunk = reference.id,
                .point = reference.point,
                .path = readable_path(reference.key),
                .error = std::move(error)};
  if (const auto place = live_->find_chunk(format::short_id(reference.id))) {
    damage.object_key = key_of(live_->pack(*place));
  }
  findings_.add(std::move(damage));
  return {};
}

void DomainVerifier::entry_visited() {
  if (!counting_) return;
  findings_.count([](VerifyCounts& counts) { ++counts.entries; });
  observer_.progress.entries_done.fetch_add(1, std::memory_order_relaxed);
}

bool DomainVerifier::is_sampled(const ObjectId& pack, uint64_t salt) const {
  uint64_t word = 0;
  std::memcpy(&word, pack.value.data(), sizeof word);
  const VerifySample& sample = request_.sample;
  if (sample.part_count > 1 && word % sample.part_count != sample.part - 1) return false;
  if (sample.share >= 1.0) return true;
  // SplitMix64's last step: spreads the salted name evenly.
  word ^= salt;
  word = (word ^ (word >> 30)) * 0xbf58476d1ce4e5b9u;
  word = (word ^ (word >> 27)) * 0x94d049bb133111ebu;
  return static_cast<double>((word ^ (word >> 31)) >> 11) < sample.share * 0x1p53;
}

Status DomainVerifier::read_packs() {
  uint64_t salt = 0;
  vault_.rng().fill(std::as_writable_bytes(std::span(&salt, 1)));
  std::vector<const KnownPack*> packs;
  uint64_t expected_bytes = 0;
  for (const auto& [id, pack] : packs_) {
    if (!pack.present || (is_partial() && !pack.in_use) || !is_sampled(id, salt)) continue;
    packs.push_back(&pack);
    expected_bytes += pack.info->size_bytes;
  }
  observer_.progress.bytes_expected.fetch_add(expected_bytes, std::memory_order_relaxed);
  const unsigned wanted = request_.worker_count > 0 ? request_.worker_count : std::thread::hardware_concurrency();
  const size_t worker_count = std::clamp<size_t>(wanted, 1, std::max<size_t>(packs.size(), 1));
  std::atomic<size_t> next = 0;
  std::vector<Status> outcomes(worker_count);
  {
    std::vector<std::jthread> workers;
    for (size_t worker = 0; worker < worker_count; ++worker) {
      workers.emplace_back([&, worker] { outcomes[worker] = read_some(packs, next); });
    }
  }
  for (Status& outcome : outcomes) TRY_DO(std::move(outcome));
  return is_partial() ? Status() : read_orphans();
}

Status DomainVerifier::read_some(const std::vector<const KnownPack*>& packs, std::atomic<size_t>& next) {
  PackAuditor auditor(vault_, domain_);
  for (size_t place = next.fetch_add(1); place < packs.size(); place = next.fetch_add(1)) {
    TRY_DO(check_stop());
    TRY_DO(read_pack(auditor, *packs[place]));
  }
  return {};
}

Status DomainVerifier::read_pack(PackAuditor& auditor, const KnownPack& pack) {
  std::vector<format::ChunkLocation> entries;
  for (const auto& [table, place] : pack.places) {
    const format::SegmentView& view = live_->table(table).view();
    for (const uint32_t entry : by_pack_[table].of(place)) entries.push_back(view.chunk(entry));
  }
  const std::string key = key_of(*pack.info);
  auto audited = auditor.audit(*pack.info, entries);
  if (!audited) {
    findings_.add(of_object(key, std::move(audited.error())));
    const MutexLock lock(bad_mutex_);
    bad_.packs.insert(pack.info->id);
    return {};
  }
  observer_.progress.bytes_done.fetch_add(audited->read_bytes, std::memory_order_relaxed);
  findings_.count([&](VerifyCounts& counts) {
    ++counts.packs_read;
    counts.records += audited->record_count;
    counts.read_bytes += audited->read_bytes;
  });
  if (audited->error) findings_.add(of_object(key, std::move(*audited->error)));
  for (RecordDamage& record : audited->records) {
    findings_.add({.object_key = key, .chunk = record.id, .point = {}, .path = {}, .error = std::move(record.error)});
    const MutexLock lock(bad_mutex_);
    bad_.records.insert({pack.info->id, record.offset_bytes});
  }
  return {};
}

Status DomainVerifier::read_orphans() {
  PackAuditor auditor(vault_, domain_);
  for (const OrphanPack& orphan : orphans_) {
    TRY_DO(check_stop());
    auto audited = auditor.audit_name(orphan.key, orphan.name, orphan.size_bytes);
    // Those of a session that a collection ended meanwhile may go.
    if (!audited && audited.error().code() == ErrorCode::not_found) continue;
    const std::optional<Error> wrong = audited ? audited->error : audited.error();
    if (!wrong) continue;
    // What a writer left that was killed on several devices is no loss: nobody was told that it is there.
    const auto examined = vault_.store().examine(orphan.key, store::Repair::report);
    if (examined && examined->is_unfinished) continue;
    findings_.add(of_object(orphan.key, examined ? *wrong : examined.error()));
  }
  return {};
}

Status DomainVerifier::run() {
  TRY_DO(check_log());
  TRY_DO(check_segments());
  gather_packs();
  TRY_DO(find_packs(vault::PackKind::data));
  TRY_DO(find_packs(vault::PackKind::metadata));
  TRY_DO(check_presence());
  // All packs are read before the trees are walked, so that the walk can name what damage means. With given points the
  // walk comes first, to know their packs, and again if damage was found in them.
  if (request_.read_data && !is_partial()) TRY_DO(read_packs());
  TRY_DO(walk_points());
  if (!request_.read_data || !is_partial()) return {};
  const size_t bad_before = bad_.packs.size();
  TRY_DO(read_packs());
  if (bad_.records.empty() && bad_.packs.size() == bad_before) return {};
  counting_ = false;
  live_ = std::make_unique<LiveSet>(domain_.index());
  return walk_points();
}

Status check_keys(vault::Vault& vault, Findings& findings) {
  auto damage = TRY(vault::check_key_lists(vault.store(), vault.keyring().vault_id()));
  findings.count([&](VerifyCounts& counts) { counts.key_lists = vault.keyring().key_list_number(); });
  for (vault::KeyListDamage& one : damage) findings.add(of_object(std::move(one.key), std::move(one.error)));
  return {};
}

// A collection that removes packs while we look is no damage: where one did, what was found missing is looked at anew.
Result<VerifyReport> verify_domain(vault::Vault& vault, vault::Vault::Domain& domain, const VerifyRequest& request,
                                   Observer& observer) {
  for (int attempt = 1;; ++attempt) {
    Findings findings(observer);
    DomainVerifier verifier(vault, domain, request, findings, observer);
    TRY_DO(verifier.run());
    TRY_DO(vault::check_tables(domain.index()));
    VerifyReport report = findings.take();
    if (report.damage_count == 0 || attempt == attempts_max) return report;
    const uint64_t last_purge = domain.log().state().last_purge();
    if (!domain.log().refresh() || domain.log().state().last_purge() == last_purge) return report;
  }
}

}  // namespace

VerifyCounts& VerifyCounts::operator+=(const VerifyCounts& other) {
  for (const auto count :
       {&VerifyCounts::key_lists, &VerifyCounts::log_records, &VerifyCounts::segments, &VerifyCounts::packs,
        &VerifyCounts::packs_read, &VerifyCounts::records, &VerifyCounts::read_bytes, &VerifyCounts::points,
        &VerifyCounts::nodes, &VerifyCounts::entries, &VerifyCounts::chunks, &VerifyCounts::orphan_packs,
        &VerifyCounts::orphan_bytes, &VerifyCounts::stray_objects, &VerifyCounts::thin_objects}) {
    this->*count += other.*count;
  }
  return *this;
}

Result<VerifyReport> run_verify(vault::Vault& vault, const VerifyRequest& request, Observer& observer) {
  const VerifySample& sample = request.sample;
  if (sample.part < 1 || sample.part > sample.part_count || !(sample.share > 0)) {
    return Error(ErrorCode::invalid, "no such sample");
  }
  Findings findings(observer);
  TRY_DO(check_keys(vault, findings));
  for (const vault::DomainId id : vault.keyring().domains()) {
    vault::Vault::Domain& domain = *TRY(vault.domain(id));
    findings.merge(TRY(verify_domain(vault, domain, request, observer).during(fmt::format("verify domain {}", id))));
  }
  return findings.take();
}

}  // namespace holdfast::job
