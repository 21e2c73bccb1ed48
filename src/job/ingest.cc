// SPDX-License-Identifier: Apache-2.0
#include "job/ingest.h"

#include <algorithm>

#include "base/newer.h"
#include "job/adopt_content.h"
#include "job/content_store.h"
#include "job/fresh_nodes.h"
#include "job/observer.h"
#include "vault/session.h"

namespace holdfast::job {

namespace {

constexpr int attempts_max = 4;

// Bytes at hand, as a source has them.
class BytesContent : public source::Content {
 public:
  explicit BytesContent(ByteView bytes) : bytes_(bytes) {}
  uint64_t size_bytes() const override { return bytes_.size(); }
  std::string name() const override { return "an upload"; }
  Status open() override { return {}; }
  Result<size_t> read_at(uint64_t offset_bytes, MutableByteView out) override {
    const size_t size = std::min(out.size(), bytes_.size() - static_cast<size_t>(offset_bytes));
    std::copy_n(bytes_.begin() + static_cast<ptrdiff_t>(offset_bytes), size, out.begin());
    return size;
  }
  Result<source::DataRange> next_data(uint64_t offset_bytes) override {
    return source::DataRange{offset_bytes, bytes_.size()};
  }
  Result<source::ReadOutcome> finish() override { return source::ReadOutcome{}; }

 private:
  const ByteView bytes_;
};

ContentLimits limits_of(const vault::Vault& vault) {
  const vault::VaultParameters& parameters = vault.keyring().parameters();
  return {.small_size_bytes_max = parameters.small_file_size_bytes_max,
          .bundle_size_bytes = parameters.bundle_size_bytes,
          .chunk_size_bytes_mean = parameters.chunk_size_bytes_mean};
}

Result<uint64_t> size_of_entry(ByteView value) {
  return format::content_size_bytes(TRY(format::decode_entry(value)).content);
}

}  // namespace

// One thread's hands in a session.
struct Ingest::Lane {
  Lane(vault::Vault& vault, vault::Vault::Domain& domain, vault::Session& session_to_use, FreshNodes& fresh,
       Progress& progress)
      : session(session_to_use),
        worker(session),
        contents(session, codec::CutterKey::derive(domain.keys().cutter_key), limits_of(vault),
                 source::Chunking::content_defined, 0, progress, nullptr, {}),
        nodes(domain, worker, fresh),
        fetcher(domain, vault.store()),
        config(tree_config(domain)) {}
  vault::Session& session;
  vault::Session::Worker worker;
  ContentStore contents;
  FreshNodeStore nodes;
  ChunkFetcher fetcher;
  const tree::Config config;
};

// A session and those who store in it.
struct Ingest::Generation {
  explicit Generation(size_t fresh_size_bytes_max) : fresh(fresh_size_bytes_max) {}
  std::unique_ptr<vault::Session> session;
  std::chrono::nanoseconds begun{0}, used{0};
  Progress progress;
  FreshNodes fresh;
  std::vector<std::unique_ptr<Lane>> idle;
  size_t lent_count = 0;
};

struct Ingest::Ticket {
  IngestDeed deed;
  std::optional<Error> own_error;  // The deed's: it is over, and no part of the commit.
  std::optional<Status> outcome;
};

// An entry whose content the session that commits it may lean on.
struct Ingest::AdoptedEntry {
  Bytes attributes;
  format::Content content;
};

// A tree with the changes of earlier deeds laid over it.
class Ingest::View : public IngestView {
 public:
  View(tree::NodeStore& nodes, const tree::Root& root, const AdoptedChanges& changes)
      : cursor_(nodes, root), changes_(changes) {}
  Result<std::vector<Bytes>> keys(ByteView from, ByteView to) override {
    std::vector<Bytes> found;
    TRY_DO(cursor_.seek(from));
    while (cursor_.valid() && compare(cursor_.entry().key, to) < 0) {
      Bytes key = to_bytes(cursor_.entry().key);
      if (!changes_.contains(key)) found.push_back(std::move(key));
      TRY_DO(cursor_.next());
    }
    for (auto change = changes_.lower_bound(to_bytes(from)); change != changes_.end(); ++change) {
      if (compare(change->first, to) >= 0) break;
      if (change->second) found.push_back(change->first);
    }
    std::sort(found.begin(), found.end(), [](const Bytes& a, const Bytes& b) { return compare(a, b) < 0; });
    return found;
  }

 private:
  tree::Cursor cursor_;
  const AdoptedChanges& changes_;
};

Ingest::Ingest(vault::Vault& vault, IngestOptions options) : vault_(vault), options_(std::move(options)) {}
Ingest::~Ingest() = default;

Result<std::unique_ptr<Ingest>> Ingest::open(vault::Vault& vault, IngestOptions options) {
  std::unique_ptr<Ingest> ingest(new Ingest(vault, std::move(options)));
  ingest->domain_ = TRY(vault.home());
  TRY_DO(ingest->refresh_log());
  TRY_DO(ingest->domain_->load_index_once());
  ingest->set_head(ingest->newest_point());
  return ingest;
}

// A point that takes the place of one that cannot be read would be without what was acknowledged in that one, and
// nobody holds it to be read again.
Status Ingest::refresh_log() {
  vault::DomainLog& log = domain_->log();
  TRY_DO(log.refresh());
  if (!log.is_beyond_us()) return {};
  return made_by_newer("a record in the log of domain " + std::to_string(domain_->id()) +
                       ", so which point is the latest");
}

std::optional<vault::PointInfo> Ingest::newest_point() {
  const vault::PointInfo* newest = nullptr;
  for (const auto& [id, point] : domain_->log().points()) {
    const bool is_ours = point.point.kind == options_.about.kind && point.point.roots == options_.about.roots;
    if (is_ours && (newest == nullptr || newest->number < point.number)) newest = &point;
  }
  return newest == nullptr ? std::nullopt : std::optional(*newest);
}

std::optional<vault::PointInfo> Ingest::head() {
  const MutexLock lock(head_mutex_);
  return head_;
}

void Ingest::set_head(std::optional<vault::PointInfo> head) {
  const MutexLock lock(head_mutex_);
  head_ = std::move(head);
}

size_t Ingest::waiting_count_for_test() {
  const MutexLock lock(mutex_);
  return waiting_.size();
}

Result<Ingest::Generation*> Ingest::begin_generation() {
  auto generation = std::make_unique<Generation>(options_.fresh_size_bytes_max);
  generation->session = TRY(vault::Session::begin(
      vault_, *domain_,
      {.host = options_.about.host, .purpose = "ingest", .effort = codec::Effort::auto_, .profile = nullptr}));
  generation->begun = generation->used = vault_.clock().monotonic();
  generation_ = std::move(generation);
  return generation_.get();
}

Status Ingest::end_generation() {
  Status ended;
  if (generation_->session->first_error()) {
    for (auto& lane : generation_->idle) {
      if (ended) ended = lane->contents.flush();
    }
    if (ended) ended = generation_->session->end();
  }
  generation_.reset();
  return ended;
}

std::unique_ptr<Ingest::Lane> Ingest::make_lane(Generation& generation) {
  return std::make_unique<Lane>(vault_, *domain_, *generation.session, generation.fresh, generation.progress);
}

bool Ingest::has_free_lane() {
  if (generation_ == nullptr) return true;
  // A session is flushed when nobody is at work in it.
  return generation_->lent_count < (generation_->fresh.is_full() ? 1 : options_.lane_count);
}

template <class T>
Result<T> Ingest::with_lane(const std::function<Result<T>(Lane&)>& use) {
  std::unique_ptr<Lane> lane;
  {
    const MutexLock lock(mutex_);
    while (is_committing_ || !has_free_lane()) changed_.wait(mutex_);
    if (generation_ == nullptr) (void)TRY(begin_generation());
    if (generation_->fresh.is_full()) {
      if (Status flushed = generation_->session->flush(); !flushed) {
        generation_.reset();
        return std::move(flushed.error());
      }
      generation_->fresh.clear();
    }
    Generation& generation = *generation_;
    if (generation.idle.empty()) {
      lane = make_lane(generation);
    } else {
      lane = std::move(generation.idle.back());
      generation.idle.pop_back();
    }
    ++generation.lent_count;
  }
  Result<T> outcome = use(*lane);
  const MutexLock lock(mutex_);
  Generation& generation = *generation_;
  generation.idle.push_back(std::move(lane));
  --generation.lent_count;
  generation.used = vault_.clock().monotonic();
  // A session that is broken helps nobody any more.
  if (generation.lent_count == 0 && !generation.session->first_error()) generation_.reset();
  changed_.notify_all();
  return outcome;
}

Result<format::Content> Ingest::store(ByteView bytes) {
  return with_lane<format::Content>([&](Lane& lane) -> Result<format::Content> {
    BytesContent content(bytes);
    ContentOutcome outcome = TRY(lane.contents.store(content, bytes.size(), {}));
    if (outcome.error) return std::move(*outcome.error);
    if (outcome.piece) return format::Content(*outcome.piece);
    tree::ContentBuilder builder(lane.nodes, lane.config);
    for (const format::Extent& extent : outcome.extents) TRY_DO(builder.append(extent));
    return builder.finish();
  });
}

Result<std::vector<format::Extent>> Ingest::store_stretch(ByteView bytes) {
  return with_lane<std::vector<format::Extent>>([&](Lane& lane) {
    BytesContent content(bytes);
    uint64_t read_bytes = 0;
    return lane.contents.store_range(content, 0, bytes.size(), read_bytes);
  });
}

Result<format::Content> Ingest::content_of(const std::vector<format::Extent>& extents) {
  return with_lane<format::Content>([&](Lane& lane) -> Result<format::Content> {
    tree::ContentBuilder builder(lane.nodes, lane.config);
    for (const format::Extent& extent : extents) TRY_DO(builder.append(extent));
    return builder.finish();
  });
}

Status Ingest::commit(IngestDeed deed) {
  const auto ticket = std::make_shared<Ticket>();  // Shared with whoever leads.
  ticket->deed = std::move(deed);
  {
    const MutexLock lock(mutex_);
    waiting_.push_back(ticket);
  }
  while (true) {
    {
      const MutexLock lock(mutex_);
      while (is_committing_ && !ticket->outcome) changed_.wait(mutex_);
      if (ticket->outcome) return *ticket->outcome;
      is_committing_ = true;
    }
    lead();
  }
}

// Commits what waits. Whoever finds nobody leading does it, for all.
void Ingest::lead() {
  std::vector<std::shared_ptr<Ticket>> batch;
  {
    const MutexLock lock(mutex_);
    while (generation_ != nullptr && generation_->lent_count > 0) changed_.wait(mutex_);
    batch.swap(waiting_);
  }
  commit_batch(batch);
  remember_if_due();
  const MutexLock lock(mutex_);
  is_committing_ = false;
  changed_.notify_all();
}

bool Ingest::is_due_to_remember() {
  if (!has_news_ || !options_.remember) return false;
  return !remembered_ || vault_.clock().monotonic() - *remembered_ >= options_.remember_interval;
}

void Ingest::remember_if_due() {
  {
    const MutexLock lock(mutex_);
    if (!is_due_to_remember()) return;
    has_news_ = false;
    remembered_ = vault_.clock().monotonic();
  }
  options_.remember();
}

void Ingest::commit_batch(std::vector<std::shared_ptr<Ticket>>& batch) {
  Status outcome = Error(ErrorCode::busy, "the recovery point could not be committed");
  for (int count = 0; count < attempts_max; ++count) {
    Generation* generation = nullptr;
    {
      const MutexLock lock(mutex_);
      if (generation_ == nullptr) {
        auto begun = begin_generation();
        if (!begun) outcome = begun.error();
      }
      generation = generation_.get();
    }
    if (generation == nullptr) break;
    const Result<bool> has_committed = attempt(*generation, batch);
    const MutexLock lock(mutex_);
    if (has_committed) {
      outcome = {};
      if (!*has_committed) break;
      set_head(newest_point());
      generation_.reset();
      has_news_ = true;
      break;
    }
    outcome = has_committed.error();
    end_generation().ignore("the error of the commit is the one that matters");
    const bool may_help = outcome.error().code() == ErrorCode::busy || outcome.error().code() == ErrorCode::corrupt;
    if (!may_help) break;
  }
  const MutexLock lock(mutex_);
  for (const auto& ticket : batch) {
    ticket->outcome = ticket->own_error ? Status(*ticket->own_error) : outcome;
  }
}

// False if there was nothing to commit: the session goes on.
Result<bool> Ingest::attempt(Generation& generation, std::vector<std::shared_ptr<Ticket>>& batch) {
  std::unique_ptr<Lane> spare;
  for (const auto& lane : generation.idle) TRY_DO(lane->contents.flush());
  if (generation.idle.empty()) spare = make_lane(generation);
  Lane& lane = spare ? *spare : *generation.idle.front();
  const FreshNodeStore::Alone alone(lane.nodes, *generation.session);
  TRY_DO(refresh_log());
  const std::optional<vault::PointInfo> base = newest_point();
  const std::optional<vault::PointInfo> known = head();
  // What others wrote is not in our index yet.
  if (base && (!known || known->id != base->id)) TRY_DO(domain_->load_index());
  const tree::Root root = base ? to_root(base->point.entries) : tree::Root{};
  AdoptedChanges changes;
  for (const auto& ticket : batch) {
    ticket->own_error.reset();
    auto wanted = outcome_of(*ticket, lane, root, changes);
    // What breaks the session is not the fault of one.
    TRY_DO(generation.session->first_error());
    if (!wanted) {
      ticket->own_error = std::move(wanted.error());
      continue;
    }
    for (auto& [key, entry] : *wanted) changes.insert_or_assign(key, std::move(entry));
  }
  if (changes.empty()) return false;
  format::RecoveryPoint point = options_.about;
  if (base) point.parent = base->id;
  point.begun = vault_.clock().now();
  TRY_DO(apply(lane, changes, base, point));
  TRY_DO(lane.contents.flush());
  (void)TRY(generation.session->commit(std::move(point)));
  return true;
}

// The changes that one deed wants, given those of the deeds before it.
Result<Ingest::AdoptedChanges> Ingest::outcome_of(const Ticket& ticket, Lane& lane, const tree::Root& root,
                                                  const AdoptedChanges& before) {
  View view(lane.nodes, root, before);
  auto wanted = ticket.deed(view);
  if (!wanted) {
    // `not_found` is said of contents alone.
    if (wanted.error().code() != ErrorCode::not_found) return std::move(wanted.error());
    return Error(ErrorCode::corrupt, wanted.error().message());
  }
  AdoptedChanges adopted;
  for (auto& [key, entry] : *wanted) {
    std::optional<AdoptedEntry>& place = adopted[key];
    if (!entry) continue;
    format::Content content = TRY(adopt(lane, entry->parts));
    place = AdoptedEntry{.attributes = std::move(entry->attributes), .content = std::move(content)};
  }
  return adopted;
}

Result<format::Content> Ingest::adopt(Lane& lane, const std::vector<format::Content>& parts) {
  const auto is_gone = [](const Result<format::Content>& outcome) {
    return !outcome && (outcome.error().code() == ErrorCode::corrupt || outcome.error().code() == ErrorCode::not_found);
  };
  ContentAdopter adopter(lane.session, lane.worker, lane.nodes, lane.fetcher, lane.config);
  auto content = adopter.adopt(parts);
  if (is_gone(content)) {
    // A collection may have moved it, and said so in a newer segment.
    TRY_DO(domain_->load_index());
    content = adopter.adopt(parts);
  }
  if (is_gone(content)) return Error(ErrorCode::not_found, content.error().message());
  return content;
}

Status Ingest::apply(Lane& lane, const AdoptedChanges& changes, const std::optional<vault::PointInfo>& base,
                     format::RecoveryPoint& point) {
  const tree::Root root = base ? to_root(base->point.entries) : tree::Root{};
  tree::Cursor before(lane.nodes, root);
  tree::Editor editor(lane.nodes, lane.config, root);
  uint64_t size_bytes = base ? base->point.size_bytes : 0;
  Bytes value;
  for (const auto& [key, entry] : changes) {
    TRY_DO(before.seek(key));
    const bool existed = before.valid() && equal(before.entry().key, key);
    if (existed) size_bytes -= std::min(size_bytes, TRY(size_of_entry(before.entry().value)));
    if (!entry) {
      TRY_DO(editor.remove(key));
      point.removed_count += existed;
      continue;
    }
    value.clear();
    ByteWriter out(value);
    format::encode_entry(out, static_cast<format::EntryKind>(point.entry_kind), entry->attributes, entry->content, {});
    TRY_DO(editor.put(key, value));
    size_bytes += format::content_size_bytes(entry->content);
    (existed ? point.changed_count : point.new_count) += 1;
  }
  const tree::Root entries = TRY(editor.finish());
  point.entries = to_reference(entries);
  point.entry_count = entries.entry_count;
  point.size_bytes = size_bytes;
  return {};
}

Status Ingest::rest() {
  bool leads = false;
  {
    const MutexLock lock(mutex_);
    leads = !is_committing_ && is_due_to_remember();
    is_committing_ = is_committing_ || leads;
  }
  if (leads) remember_if_due();
  const MutexLock lock(mutex_);
  if (leads) {
    is_committing_ = false;
    changed_.notify_all();
  }
  if (is_committing_ || generation_ == nullptr || generation_->lent_count > 0) return {};
  const auto now = vault_.clock().monotonic();
  const bool is_due = now - generation_->used > options_.session_idle_max ||
                      now - generation_->begun > options_.session_age_max;
  return is_due ? end_generation() : Status();
}

Status Ingest::finish() {
  const MutexLock lock(mutex_);
  return generation_ == nullptr ? Status() : end_generation();
}

}  // namespace holdfast::job
