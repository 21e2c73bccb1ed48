// SPDX-License-Identifier: Apache-2.0
#include "job/repair.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <span>

#include "crypto/hash.h"
#include "job/collect_plan.h"
#include "job/index_merger.h"
#include "job/pack_audit.h"
#include "vault/pack_survey.h"
#include "vault/repacker.h"

namespace holdfast::job {

namespace {

using vault::name_of;

constexpr std::string_view quarantine_prefix = "quarantine/";

// Entries of one pack for a segment that names it first.
format::SegmentContents contents_of(const format::PackInfo& pack) {
  format::SegmentContents contents;
  contents.packs.push_back(pack);
  return contents;
}

bool is_sound(const format::PackName& name, ByteView whole) { return ObjectId::from(crypto::hash(whole)) == name.id; }

template <class T>
bool says(const Result<T>& result, ErrorCode code) { return !result && result.error().code() == code; }

// Whether a record that does not open is lost. All other failures (a read that went wrong, keys that we lack, a form
// that is newer than this program) say nothing of the bytes that are stored, so nothing may leave the index for them.
bool tells_damage(const Error& error) {
  return error.code() == ErrorCode::corrupt || error.code() == ErrorCode::wrong_key;
}

class DomainRepairer {
 public:
  DomainRepairer(vault::Vault& vault, vault::Vault::Domain& domain, const RepairRequest& request, Observer& observer,
                 RepairReport& report)
      : vault_(vault), domain_(domain), request_(request), observer_(observer), report_(report),
        reader_(domain.make_reader()) {}

  Status run();

 private:
  using StoredPacks = std::map<format::PackName, uint64_t>;

  Status check_stop() const {
    if (request_.stop.stop_requested()) return Error(ErrorCode::cancelled, "the repair was stopped");
    return {};
  }
  std::string key_of(const format::PackName& pack) const {
    return vault::pack_key(domain_.id(), pack);
  }
  // What is known of a pack's records after trying each.
  struct Judged {
    std::vector<ByteView> good;
    std::vector<Error> bad;
    std::optional<Error> unknown;  // Of one at least nothing can be said, and so nothing be done.
  };
  Result<StoredPacks> list_packs();
  Status take_pack(const format::PackName& name, uint64_t size_bytes);
  Status take_named(const format::PackInfo& pack, Result<Bytes> whole);
  Status take_unnamed(const format::PackName& name, const Result<Bytes>& whole);
  Result<Bytes> read_pack(const format::PackName& name, uint64_t size_bytes);
  Result<Bytes> read_parts(const format::PackInfo& pack, std::span<const format::ChunkLocation> entries);
  Result<format::PackInfo> recognise(const format::PackName& name, ByteView whole);
  bool is_signed(const format::PackInfo& pack, ByteView whole) const;
  Result<format::SegmentContents> read_contents(const format::PackInfo& pack, ByteView whole);
  bool can_tell(uint8_t pack_kind) const;
  std::vector<format::ChunkLocation> entries_of(const ObjectId& pack);
  Result<ByteView> find_record(const format::PackInfo& pack, const format::ChunkLocation& entry, ByteView whole);
  Judged judge(const format::PackInfo& pack, std::span<const format::ChunkLocation> entries, ByteView whole);
  Status salvage(const format::PackInfo& pack, const Judged& judged);
  Status move(const format::PackInfo& pack, ByteView record);
  void lost(const format::PackName& pack, const Error& error);
  void leave(const format::PackName& pack, const Error& error);
  Result<std::optional<Bytes>> read_damaged(const vault::IndexDamage& damage);
  bool is_remains(const vault::IndexDamage& damage);
  Status count_damaged_segments();
  Status check_may_repair();
  Status write_found();
  Status write_found_if_full();
  Status write();
  Status set_segments_aside();

  vault::Vault& vault_;
  vault::Vault::Domain& domain_;
  const RepairRequest& request_;
  Observer& observer_;
  RepairReport& report_;
  std::unique_ptr<vault::RecordReader> reader_;
  std::map<ObjectId, format::PackInfo> named_;   // By good segments.
  // Of each pack, in which of these tables and as which of their packs it stands.
  std::vector<vault::TablePtr> tables_;
  std::vector<std::optional<EntriesByPack>> by_pack_;  // Each once it is asked: four bytes a chunk.
  std::map<ObjectId, std::vector<std::pair<size_t, uint32_t>>> places_;
  format::SegmentContents found_;                // What no segment said, and none says yet.
  vault::PackFates gone_;                        // Packs whose entries leave the index.
  std::map<uint8_t, std::unique_ptr<vault::Repacker>> repackers_;
};

Result<DomainRepairer::StoredPacks> DomainRepairer::list_packs() {
  StoredPacks stored;
  for (const vault::PackKind kind : {vault::PackKind::data, vault::PackKind::metadata}) {
    const auto take = [&](const store::ObjectInfo& object) -> Status {
      const auto name = vault::parse_object_key(object.key);
      // Too little of it is left to be read: it is missing, whatever remains. The index goes on telling of it.
      const bool is_gone = object.size_bytes == 0 && says(vault_.store().stat(object.key), ErrorCode::corrupt);
      if (name && !is_gone) stored[{static_cast<uint8_t>(kind), name->author.value, name->id}] = object.size_bytes;
      return {};
    };
    TRY_DO(vault_.store().list(vault::pack_prefix(kind, domain_.id()), "", take));
  }
  return stored;
}

void DomainRepairer::lost(const format::PackName& pack, const Error& error) {
  observer_.progress.problems.fetch_add(1, std::memory_order_relaxed);
  observer_.skipped(key_of(pack), error);
}

// It stays as it is, and whoever reads it or has more keys may come to know more.
void DomainRepairer::leave(const format::PackName& pack, const Error& error) {
  ++report_.packs_unjudged;
  lost(pack, error);
}

// Bytes that were wrong once are not wrong for good: the store may mend them, and the next reading may go well.
Result<Bytes> DomainRepairer::read_pack(const format::PackName& name, uint64_t size_bytes) {
  if (size_bytes > format::pack_size_bytes_max) return Error(ErrorCode::corrupt, "larger than any pack");
  const std::string key = key_of(name);
  auto whole = vault_.store().get(key, std::nullopt);
  if (whole ? is_sound(name, *whole) : whole.error().code() != ErrorCode::corrupt) return whole;
  vault_.store()
      .examine(key, request_.apply ? store::Repair::write_back : store::Repair::report)
      .ignore("what is read next tells whether that helped");
  return vault_.store().get(key, std::nullopt);
}

// Where the store cannot give the whole it may give parts. What is damaged is left empty.
Result<Bytes> DomainRepairer::read_parts(const format::PackInfo& pack,
                                         std::span<const format::ChunkLocation> entries) {
  Bytes whole(pack.size_bytes);
  for (const format::ChunkLocation& entry : entries) {
    if (uint64_t{entry.offset_bytes} + entry.size_bytes > whole.size()) continue;
    const MutableByteView part = MutableByteView(whole).subspan(entry.offset_bytes, entry.size_bytes);
    const Status read = vault_.store().read(key_of(name_of(pack)), entry.offset_bytes, part);
    if (!read && read.error().code() != ErrorCode::corrupt) return read.error();
    if (!read) std::fill(part.begin(), part.end(), std::byte{0});
  }
  return whole;
}

// A pack does not say which epoch it is of: its commitment fits one.
Result<format::PackInfo> DomainRepairer::recognise(const format::PackName& name, ByteView whole) {
  if (whole.size() < format::pack_size_bytes_min) return Error(ErrorCode::corrupt, "too short for a pack");
  format::PackInfo pack;
  pack.id = name.id;
  pack.kind = name.kind;
  pack.author = name.author;
  pack.size_bytes = static_cast<uint32_t>(whole.size());
  // The head stands twice.
  const size_t copy_offset = whole.size() - format::pack_tail_size_bytes;
  for (const size_t offset : {size_t{0}, copy_offset}) {
    pack.head = TRY(format::decode_pack_head(whole.subspan(offset, format::PackHead::size_bytes)));
    for (const vault::EpochKeys& epoch : domain_.keys().epochs) {
      pack.epoch = epoch.epoch;
      if (reader_->check_head(pack)) return pack;
    }
  }
  return Error(ErrorCode::corrupt, "not a pack of this domain, or both copies of its head are damaged");
}

// Only what an author signed comes into the index: anyone can make a pack under a name that fits.
bool DomainRepairer::is_signed(const format::PackInfo& pack, ByteView whole) const {
  const vault::Author* author = vault_.keyring().author(vault::AuthorId{pack.author});
  const size_t offset = whole.size() - format::pack_tail_size_bytes + format::PackHead::size_bytes;
  return author != nullptr && (author->domain == 0 || author->domain == domain_.id()) &&
         crypto::verify(author->public_key, vault::pack_signature_context, crypto::hash(whole.first(offset)),
                        whole.subspan(offset, crypto::signature_size_bytes));
}

Result<format::SegmentContents> DomainRepairer::read_contents(const format::PackInfo& pack, ByteView whole) {
  format::SegmentContents contents = contents_of(pack);
  uint64_t offset = format::PackHead::size_bytes;
  for (const format::RecordHeader& header : TRY(reader_->open_contents(pack, whole))) {
    const uint64_t size_bytes = format::record_size_bytes(header);
    if (offset + size_bytes > whole.size()) return Error(ErrorCode::corrupt, "its contents reach beyond its end");
    const auto place = static_cast<uint32_t>(contents.chunks.size());
    if (header.kind != format::RecordKind::origin) {
      contents.chunks.push_back({.id = format::short_id(header.id),
                                 .pack = 0,
                                 .offset_bytes = static_cast<uint32_t>(offset),
                                 .size_bytes = static_cast<uint32_t>(size_bytes),
                                 .plain_size_bytes = header.plain_size_bytes});
    }
    if (header.kind == format::RecordKind::bundle) {
      const ByteView record = whole.subspan(offset, size_bytes);
      for (const format::Piece& piece : TRY(reader_->open_pieces(pack, header, record))) {
        contents.pieces.push_back({.id = piece.id, .bundle = place});
      }
    }
    offset += size_bytes;
  }
  return contents;
}

std::vector<format::ChunkLocation> DomainRepairer::entries_of(const ObjectId& pack) {
  std::vector<format::ChunkLocation> entries;
  const auto places = places_.find(pack);
  if (places == places_.end()) return entries;
  for (const auto& [table, place] : places->second) {
    const format::SegmentView& view = tables_[table]->view();
    if (!by_pack_[table]) by_pack_[table].emplace(view);
    for (const uint32_t entry : by_pack_[table]->of(place)) entries.push_back(view.chunk(entry));
  }
  return entries;
}

// The record that the entry means, if it is good: whoever holds the data key decompresses and hashes it.
Result<ByteView> DomainRepairer::find_record(const format::PackInfo& pack, const format::ChunkLocation& entry,
                                             ByteView whole) {
  if (uint64_t{entry.offset_bytes} + entry.size_bytes > whole.size()) return Error(ErrorCode::corrupt, "cut off");
  const ByteView record = whole.subspan(entry.offset_bytes, entry.size_bytes);
  const format::RecordHeader header = TRY(reader_->open_header(pack, record));
  if (format::short_id(header.id) != entry.id) return Error(ErrorCode::corrupt, "another record stands there");
  if (header.kind != format::RecordKind::node && !vault_.keyring().can_read_content(domain_.id())) {
    return Error(ErrorCode::denied, "only the owner can tell whether it is whole");
  }
  (void)TRY(reader_->open(pack, record));
  return record.first(format::record_size_bytes(header));
}

DomainRepairer::Judged DomainRepairer::judge(const format::PackInfo& pack,
                                             std::span<const format::ChunkLocation> entries, ByteView whole) {
  Judged judged;
  for (const format::ChunkLocation& entry : entries) {
    auto record = find_record(pack, entry, whole);
    if (record) {
      judged.good.push_back(*record);
    } else if (tells_damage(record.error())) {
      judged.bad.push_back(std::move(record.error()));
    } else {
      judged.unknown = std::move(record.error());
      break;
    }
  }
  return judged;
}

Status DomainRepairer::move(const format::PackInfo& pack, ByteView record) {
  auto& repacker = repackers_[pack.kind];
  if (!repacker) {
    repacker = std::make_unique<vault::Repacker>(vault_, domain_, static_cast<vault::PackKind>(pack.kind));
  }
  return repacker->move(pack, record);
}

// The pack leaves the index only if each of its records is either moved or known to be lost.
Status DomainRepairer::salvage(const format::PackInfo& pack, const Judged& judged) {
  if (judged.unknown) {
    leave(name_of(pack), *judged.unknown);
    return {};
  }
  for (size_t place = 0; request_.apply && place < judged.good.size(); ++place) {
    const Status moved = move(pack, judged.good[place]);
    if (moved) continue;
    // Where writing failed, what was moved before may not have been written either.
    const bool is_the_records = moved.error().code() == ErrorCode::corrupt ||
                                moved.error().code() == ErrorCode::internal;
    if (!is_the_records) return moved;
    leave(name_of(pack), moved.error());
    return {};
  }
  ++report_.packs_damaged;
  report_.records_salvaged += judged.good.size();
  report_.records_lost += judged.bad.size();
  for (const Error& error : judged.bad) lost(name_of(pack), error);
  gone_[pack.id] = vault::PackFate::purged;
  return {};
}

// One who shares the domain may have stored rubbish in a sound pack. Without the data key that cannot be told.
bool DomainRepairer::can_tell(uint8_t pack_kind) const {
  return pack_kind == static_cast<uint8_t>(vault::PackKind::metadata) ||
         vault_.keyring().can_read_content(domain_.id());
}

Status DomainRepairer::take_named(const format::PackInfo& pack, Result<Bytes> whole) {
  const bool sound = whole && is_sound(name_of(pack), *whole);
  if (sound && !can_tell(pack.kind)) return {};
  const std::vector<format::ChunkLocation> entries = entries_of(pack.id);
  if (!whole && whole.error().code() == ErrorCode::corrupt) whole = read_parts(pack, entries);
  if (!whole) {
    leave(name_of(pack), whole.error());
    return {};
  }
  const Judged judged = judge(pack, entries, *whole);
  if (sound && judged.bad.empty() && !judged.unknown) return {};
  return salvage(pack, judged);
}

Status DomainRepairer::take_unnamed(const format::PackName& name, const Result<Bytes>& whole) {
  if (!whole && whole.error().code() != ErrorCode::corrupt) {
    leave(name, whole.error());
    return {};
  }
  const auto pack = whole ? recognise(name, *whole) : Result<format::PackInfo>(whole.error());
  const bool sound = whole && is_sound(name, *whole);
  auto contents = pack ? read_contents(*pack, *whole) : Result<format::SegmentContents>(pack.error());
  if (pack && !sound) {
    return salvage(*pack, contents ? judge(*pack, contents->chunks, *whole) : Judged{});
  }
  if (contents && !is_signed(*pack, *whole)) {
    contents = Error(ErrorCode::corrupt, "not signed by an author of this domain");
  }
  if (contents) {
    if (request_.apply) append_contents(found_, *contents);
    ++report_.packs_indexed;
  } else {
    ++report_.packs_unreadable;
    lost(name, contents.error());
  }
  return {};
}

Status DomainRepairer::take_pack(const format::PackName& name, uint64_t size_bytes) {
  const auto named = named_.find(name.id);
  const bool is_named = named != named_.end();
  if (is_named && named->second.size_bytes == size_bytes && !request_.read_data) return {};
  auto whole = read_pack(name, size_bytes);
  if (!whole && whole.error().code() == ErrorCode::not_found) return {};  // A collection was faster.
  return is_named ? take_named(named->second, std::move(whole)) : take_unnamed(name, whole);
}

// What a later version said in the key list or in the log may forbid it.
Status DomainRepairer::check_may_repair() {
  if (!request_.apply || request_.into_copy) return domain_.log().refresh();
  return domain_.log().check_may_go_on(format::LogKind::spare);  // Like it, a repair takes nothing away.
}

// Names in the index what no segment said, and what was moved.
Status DomainRepairer::write_found() {
  TRY_DO(check_may_repair());  // Reading packs takes its time.
  for (auto& [kind, repacker] : repackers_) {
    TRY_DO(repacker->finish());
    append_contents(found_, repacker->take_contents());
  }
  if (found_.chunks.empty()) return {};
  found_.order = domain_.log().head().number;  // The newest home.
  return write_segment(vault_, domain_, std::exchange(found_, {}));
}

Status DomainRepairer::write_found_if_full() {
  uint64_t size_bytes = format::segment_size_bytes(found_);
  for (const auto& [kind, repacker] : repackers_) size_bytes += format::segment_size_bytes(repacker->contents());
  return size_bytes < request_.segment_size_bytes ? Status() : write_found();
}

// What is new is durable before anything old leaves the index.
Status DomainRepairer::write() {
  TRY_DO(write_found());
  const LiveSet tables(domain_.index());
  if (!gone_.empty()) TRY_DO(IndexMerger(vault_, domain_, tables).run(gone_));
  TRY_DO(set_segments_aside());
  return domain_.reload_index();
}

// The bytes of a segment that is damaged beyond doubt, or that nobody can have written who may. Nothing if it is gone,
// or opens by now, or if others may be able to open it.
Result<std::optional<Bytes>> DomainRepairer::read_damaged(const vault::IndexDamage& damage) {
  std::optional<Bytes> nothing;
  const auto name = vault::parse_object_key(damage.key);
  auto object = vault_.store().get(damage.key, std::nullopt);
  if (!name || says(object, ErrorCode::not_found) || says(object, ErrorCode::corrupt)) return nothing;
  TRY_DO(object);
  const auto opened = vault::open_index_table(vault_.keyring(), domain_.keys(), *name, *object);
  if (opened) return nothing;
  const ErrorCode why = opened.error().code();
  const bool is_bent = ObjectId::from(crypto::hash(*object)) != name->id;
  // The owner has the keys of all epochs there are.
  const bool is_nobodys = why == ErrorCode::corrupt ||
                          (why == ErrorCode::denied && vault_.keyring().role() == vault::Role::owner);
  if (is_bent || (is_nobodys && TRY(vault_.keyring().is_newest()))) return std::optional(*std::move(object));
  return nothing;
}

// A segment that nobody can ever read: what a writer left that was killed while it stored it on several devices, or
// that was lost with them. One who may be at work may be storing it just now.
bool DomainRepairer::is_remains(const vault::IndexDamage& damage) {
  const auto name = vault::parse_object_key(damage.key);
  const auto& sessions = domain_.log().sessions();
  const auto is_writer = [&](const auto& session) { return session.second.author == name->author; };
  return name && says(vault_.store().stat(damage.key), ErrorCode::corrupt) &&
         std::none_of(sessions.begin(), sessions.end(), is_writer);
}

Status DomainRepairer::count_damaged_segments() {
  for (const vault::IndexDamage& damage : domain_.index_damage()) {
    if (TRY(read_damaged(damage)) || is_remains(damage)) {
      ++report_.segments_set_aside;
      continue;
    }
    ++report_.segments_unjudged;
    observer_.progress.problems.fetch_add(1, std::memory_order_relaxed);
    observer_.skipped(damage.key, damage.error);
  }
  return {};
}

Status DomainRepairer::set_segments_aside() {
  TRY_DO(domain_.log().refresh());  // Whoever began before a segment of theirs was listed is among the sessions.
  for (const vault::IndexDamage& damage : domain_.index_damage()) {
    const auto object = TRY(read_damaged(damage));
    if (!object && !is_remains(damage)) continue;
    const std::array<ByteView, 1> parts{object ? ByteView(*object) : ByteView()};
    const Status kept = object ? vault_.store().create(std::string(quarantine_prefix) + damage.key, parts) : Status();
    if (!kept && kept.error().code() != ErrorCode::conflict) return kept;
    const Status removed = vault_.store().remove(damage.key);
    if (!removed && removed.error().code() != ErrorCode::not_found) return removed;
  }
  return {};
}

Status DomainRepairer::run() {
  TRY_DO(check_may_repair());
  TRY_DO(domain_.reload_index());
  tables_ = domain_.index().tables();
  by_pack_.resize(tables_.size());
  for (size_t table = 0; table < tables_.size(); ++table) {
    const format::SegmentView& view = tables_[table]->view();
    for (uint32_t place = 0; place < view.packs().size(); ++place) {
      named_[view.packs()[place].id] = view.packs()[place];
      places_[view.packs()[place].id].emplace_back(table, place);
    }
  }
  TRY_DO(count_damaged_segments());
  const StoredPacks stored = TRY(list_packs());
  report_.packs += stored.size();
  const auto fates = domain_.log().state().fates();  // Of now: the log is read again on the way.
  std::set<ObjectId> there;
  for (const auto& [name, size_bytes] : stored) {
    TRY_DO(check_stop());
    there.insert(name.id);
    const auto fate = fates->find(name.id);
    if (fate != fates->end() && fate->second == vault::PackFate::purged) continue;
    TRY_DO(take_pack(name, size_bytes));
    TRY_DO(write_found_if_full());
  }
  // Of the missing the index goes on telling: so a backup sees what is lost and stores it again.
  for (const auto& [id, pack] : named_) {
    if (there.contains(id) || fates->contains(id)) continue;
    ++report_.packs_missing;
    lost(name_of(pack), Error(ErrorCode::corrupt, "missing"));
  }
  return request_.apply ? write() : Status();
}

}  // namespace

Result<RepairReport> run_repair(vault::Vault& vault, const RepairRequest& request, Observer& observer) {
  if (vault.keyring().role() == vault::Role::agent) {
    return Error(ErrorCode::refused, "an agent cannot repair a vault").with_hint("Use the owner's passphrase or key.");
  }
  RepairReport report;
  for (const vault::DomainId id : vault.keyring().domains()) {
    vault::Vault::Domain& domain = *TRY(vault.domain(id));
    TRY_DO(DomainRepairer(vault, domain, request, observer, report).run().during(fmt::format("repair domain {}", id)));
  }
  return report;
}

}  // namespace holdfast::job
