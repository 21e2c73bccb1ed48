// SPDX-License-Identifier: Apache-2.0
#include "job/backup.h"

#include <algorithm>
#include <thread>

#include "base/byte_io.h"
#include "base/check.h"
#include "base/either_stop.h"
#include "crypto/hash.h"
#include "job/lost_content.h"
#include "job/node_cache.h"
#include "job/previous_entries.h"
#include "job/skipped.h"
#include "store/patience.h"

namespace holdfast::job {

namespace {

constexpr size_t skip_reason_size_bytes_max = 1024;

// Calls thaw() on every way out.
class ThawGuard {
 public:
  explicit ThawGuard(source::Source& source) : source_(source) {}
  ~ThawGuard() { source_.thaw(); }
  ThawGuard(const ThawGuard&) = delete;
  ThawGuard& operator=(const ThawGuard&) = delete;

 private:
  source::Source& source_;
};

// The parent's scan state, read from its tree. Look-ups come from several listing threads, a little out of order.
class TreeState : public source::PreviousState {
 public:
  TreeState(vault::Vault::Domain& domain, const tree::Root& root)
      : vault_nodes_(domain), nodes_(vault_nodes_), root_(root), cursor_(nodes_, root) {}
  Result<std::optional<Bytes>> get(ByteView key) override {
    const MutexLock lock(mutex_);
    TRY_DO(cursor_.seek(key));
    if (!cursor_.valid() || !equal(cursor_.entry().key, key)) return std::optional<Bytes>();
    return std::optional(to_bytes(cursor_.entry().value));
  }
  Status for_range(ByteView from, ByteView to,
                   const std::function<Status(ByteView key, ByteView value)>& visit) override {
    const MutexLock lock(mutex_);
    TRY_DO(cursor_.seek(from));
    while (cursor_.valid() && (to.empty() || compare(cursor_.entry().key, to) < 0)) {
      TRY_DO(visit(cursor_.entry().key, cursor_.entry().value));
      TRY_DO(cursor_.next());
    }
    return {};
  }

 private:
  Mutex mutex_;
  VaultNodes vault_nodes_;
  NodeCache nodes_;
  const tree::Root root_;
  tree::Cursor cursor_;  // Listings ask in nearly ascending order: most seeks stay in one leaf.
};

// Feeds a scan into the pipeline and keeps the scan state beside it.
class PipelineSink : public source::ScanSink {
 public:
  PipelineSink(BackupPipeline& pipeline, tree::Editor& state, std::stop_token stop)
      : pipeline_(pipeline), state_(state), stop_(std::move(stop)) {}
  Status put(source::Item item) override {
    TRY_DO(check_stop());
    return pipeline_.put(std::move(item));
  }
  Status remove(ByteView key) override { return pipeline_.remove(key); }
  Status remove_range(ByteView from, ByteView to) override { return pipeline_.remove_range(from, to); }
  Status unchanged(uint64_t entry_count, uint64_t size_bytes) override {
    pipeline_.count_unchanged(entry_count, size_bytes);
    return check_stop();
  }
  Status skip(source::Skip skip) override {
    pipeline_.skip(std::move(skip));
    return {};
  }
  Status put_state(ByteView key, ByteView value) override { return state_.put(key, value); }
  Status remove_state_range(ByteView from, ByteView to) override { return state_.remove_range(from, to); }

 private:
  Status check_stop() const {
    if (!stop_.stop_requested()) return {};
    return Error(ErrorCode::cancelled, "the backup was stopped");
  }
  BackupPipeline& pipeline_;
  tree::Editor& state_;
  std::stop_token stop_;
};

std::optional<vault::PointInfo> find_parent(const vault::DomainLog& log, const source::Description& description,
                                            const BackupRequest& request) {
  if (request.ignore_parent) return std::nullopt;
  const vault::PointInfo* newest = nullptr;
  for (const auto& [id, point] : log.points()) {
    if (request.parent) {
      if (id == *request.parent) return point;
      continue;
    }
    const format::RecoveryPoint& about = point.point;
    if (about.host != request.host || about.kind != description.kind || about.roots != description.roots) continue;
    if (newest == nullptr || newest->number < point.number) newest = &point;
  }
  return newest == nullptr ? std::nullopt : std::optional(*newest);
}

// What find_parent() goes by, and the vault it looks in.
std::string series_of(const vault::Vault& vault, const source::Description& description, const BackupRequest& request) {
  Bytes bytes;
  ByteWriter out(bytes);
  out.raw(vault.keyring().vault_id().view());
  out.string(request.host);
  out.string(description.kind);
  for (const std::string& root : description.roots) out.string(root);
  return to_hex(crypto::hash(bytes));
}

Bytes skipped_key(ByteView key) {
  Bytes state_key{skipped_key_prefix};
  state_key.insert(state_key.end(), key.begin(), key.end());
  return state_key;
}

Result<std::set<Bytes>> read_skipped(source::PreviousState& state) {
  std::set<Bytes> keys;
  const Bytes from{skipped_key_prefix};
  const Bytes to{static_cast<std::byte>(static_cast<int>(skipped_key_prefix) + 1)};
  TRY_DO(state.for_range(from, to, [&](ByteView key, ByteView) -> Status {
    keys.insert(to_bytes(key.subspan(1)));
    return {};
  }));
  return keys;
}

// Replaces what the state remembers of skips. The editor wants ascending keys, so old and new are merged.
Status write_skipped(tree::Editor& state, const std::set<Bytes>& before, const std::map<Bytes, SkippedItem>& now) {
  auto old_key = before.begin();
  auto item = now.begin();
  while (old_key != before.end() || item != now.end()) {
    const bool take_old = item == now.end() || (old_key != before.end() && compare(*old_key, item->first) < 0);
    if (take_old) {
      TRY_DO(state.remove(skipped_key(*old_key)));
      ++old_key;
      continue;
    }
    if (old_key != before.end() && *old_key == item->first) ++old_key;
    const std::string& reason = item->second.error.message();
    TRY_DO(state.put(skipped_key(item->first),
                     as_bytes(std::string_view(reason).substr(0, skip_reason_size_bytes_max))));
    ++item;
  }
  return {};
}

PipelineOptions pipeline_options(const vault::Vault& vault, const source::Description& description,
                                 const BackupRequest& request, const std::stop_source& failed) {
  const vault::VaultParameters& parameters = vault.keyring().parameters();
  PipelineOptions options;
  options.worker_count =
      request.worker_count > 0 ? request.worker_count : std::max(1u, std::thread::hardware_concurrency());
  options.limits = {.small_size_bytes_max = parameters.small_file_size_bytes_max,
                    .bundle_size_bytes = parameters.bundle_size_bytes,
                    .chunk_size_bytes_mean = parameters.chunk_size_bytes_mean};
  options.chunking = description.chunking;
  options.block_size_bytes = description.block_size_bytes;
  options.entry_kind = description.entry_kind;
  options.profile = request.profile;
  options.stop = request.stop;
  options.failed = failed;
  return options;
}

format::RecoveryPoint describe_point(const source::Description& description, const BackupRequest& request,
                                     UnixTimeNs now) {
  format::RecoveryPoint point;
  point.kind = description.kind;
  point.entry_kind = static_cast<uint8_t>(description.entry_kind);
  point.host = request.host;
  point.user = request.user;
  point.roots = description.roots;
  point.tags = request.tags;
  std::sort(point.tags.begin(), point.tags.end());
  point.tags.erase(std::unique(point.tags.begin(), point.tags.end()), point.tags.end());
  point.description = request.description;
  point.begun = request.time.value_or(now);
  point.program_version = request.program_version;
  return point;
}

void fill_counts(format::RecoveryPoint& point, const BackupCounts& counts) {
  point.size_bytes = counts.size_bytes;
  point.read_bytes = counts.read_bytes;
  point.new_count = counts.new_count;
  point.changed_count = counts.changed_count;
  point.unchanged_count = counts.unchanged_count;
  point.removed_count = counts.removed_count;
  point.skipped_count = counts.skipped_count;
}

}  // namespace

namespace {

// What a backup builds upon.
struct Base {
  std::optional<vault::PointInfo> parent;
  LostContent lost;  // Of the parent: read again.
};

// Segments that somebody else may be able to open (of other keys, of a newer form) are no loss.
uint64_t count_damaged_segments(vault::Vault::Domain& domain) {
  const auto damage = domain.index_damage();
  return static_cast<uint64_t>(std::count_if(
      damage.begin(), damage.end(), [](const auto& one) { return one.error.code() == ErrorCode::corrupt; }));
}

// Subtrees that did not change are taken over from the parent and never looked up; so what of it is lost is found out
// before: what was in lost packs, and what only damaged segments of the index could lead to.
Status look_for_losses(vault::Vault& vault, vault::Session& session, const BackupRequest& request, Base& base,
                       BackupReport& report) {
  vault::Vault::Domain& domain = *TRY(vault.home());
  report.lost_pack_count = session.lost_packs().size();
  report.damaged_segment_count = count_damaged_segments(domain);
  if ((report.lost_pack_count == 0 && report.damaged_segment_count == 0) || !base.parent) return {};
  base.lost = TRY(find_lost_content(domain, *base.parent, session.lost_packs(), request.stop));
  report.was_tree_lost = base.lost.is_tree_lost;
  if (base.lost.is_tree_lost) base.parent.reset();
  return {};
}

// Scans and stores. Beyond this nothing is read any more.
Status fill(vault::Vault& vault, vault::Session& session, source::Source& source, const BackupRequest& request,
            const Base& base, const std::stop_source& failed, Observer& observer, BackupReport& report) {
  const std::optional<vault::PointInfo>& parent = base.parent;
  vault::Vault::Domain& domain = *TRY(vault.home());
  const ThawGuard thaw(source);
  const EitherStop stop(request.stop, failed.get_token());  // Contents are read until the pipeline has ended.
  std::optional<TreeState> previous;
  std::optional<TreeEntries> entries;
  if (parent) previous.emplace(domain, to_root(parent->point.state));
  if (parent) entries.emplace(domain, to_root(parent->point.entries), parent->point.size_bytes);
  if (parent) observer.progress.entries_expected = parent->point.entry_count;
  std::set<Bytes> retry;
  if (previous) retry = TRY(read_skipped(*previous));
  retry.insert(base.lost.keys.begin(), base.lost.keys.end());

  vault::Session::Worker state_worker(session);
  VaultNodes state_nodes(domain, &state_worker);
  tree::Editor state(state_nodes, tree_config(domain), parent ? to_root(parent->point.state) : tree::Root{});
  BackupPipeline pipeline(domain, session, pipeline_options(vault, source.describe(), request, failed),
                          parent ? to_root(parent->point.entries) : tree::Root{}, observer);
  PipelineSink sink(pipeline, state, request.stop);
  {
    const StageTimer timer(request.profile, Stage::scan);
    const Status scanned = source.scan({.previous = previous ? &*previous : nullptr,
                                        .entries = entries ? &*entries : nullptr,
                                        .retry = &retry,
                                        .series = series_of(vault, source.describe(), request),
                                        .stop = stop.token()},
                                       sink);
    // A scan that was stopped because of a failure elsewhere: that one is to be told.
    if (!scanned && failed.stop_requested()) {
      TRY_DO(session.first_error());
      TRY_DO(pipeline.finish());
    }
    TRY_DO(scanned);
  }
  const tree::Root root = TRY(pipeline.finish());
  TRY_DO(write_skipped(state, retry, pipeline.skipped()));
  format::RecoveryPoint& point = report.point.point;
  point.entries = to_reference(root);
  point.state = to_reference(TRY(state.finish()));
  point.entry_count = root.entry_count;
  report.counts = pipeline.counts();
  for (const auto& [key, item] : pipeline.skipped()) {
    if (!item.vanished) report.skipped.push_back(item);
  }
  return source.finish();
}

}  // namespace

Result<BackupReport> run_backup(vault::Vault& vault, source::Source& source, const BackupRequest& request,
                                Observer& observer) {
  vault::Vault::Domain& domain = *TRY(vault.home());
  std::optional<RewritePlanner> rewrites;  // Outlives the session, which asks it.
  const std::stop_source failed;
  std::optional<store::Patience> patience(std::in_place, vault.store(), request.stop, failed.get_token());
  auto session = TRY(vault::Session::begin(vault, domain,
                                           {.host = request.host,
                                            .purpose = "backup",
                                            .effort = request.effort,
                                            .profile = request.profile,
                                            .failed = failed}));
  const source::Description description = source.describe();
  Base base{.parent = find_parent(domain.log(), description, request), .lost = {}};
  BackupReport report;
  report.point.point = describe_point(description, request, vault.clock().now());

  Status filled = look_for_losses(vault, *session, request, base, report);
  if (base.parent) {
    report.point.point.parent = base.parent->id;
    rewrites.emplace(domain, to_root(base.parent->point.entries), observer.progress, request.rewrite);
    session->set_store_again([&rewrites](const vault::Location& home, uint64_t size_bytes) {
      return rewrites->wants(home, size_bytes);
    });
  }
  if (filled) filled = source.freeze();
  // From here on fill() sees to it that the source is thawed whatever happens.
  if (filled) filled = fill(vault, *session, source, request, base, failed, observer, report);
  if (!filled) {
    patience.reset();  // The end is worth a wait, unless the user has lost his.
    session->end().ignore("the error above is the one to report; what was stored is kept for the next run");
    return std::move(filled.error());
  }
  // Packs, then index, then the record that makes it a recovery point.
  fill_counts(report.point.point, report.counts);
  report.point = TRY(session->commit(std::move(report.point.point)));
  if (Status told = source.committed(); !told) report.after_commit = std::move(told.error());
  report.lost_content_count = base.lost.ids.size();
  report.healed_content_count = count_healed(domain, base.lost.ids, session->lost_packs());
  if (rewrites) report.rewritten_bytes = rewrites->rewritten_bytes();
  return report;
}

namespace {

// Counts what a backup would do.
class CountingSink : public source::ScanSink {
 public:
  CountingSink(BackupReport& report, Observer& observer, format::EntryKind kind)
      : report_(report), observer_(observer), kind_(kind) {}
  Status put(source::Item item) override {
    (item.existed ? report_.counts.changed_count : report_.counts.new_count) += 1;
    report_.counts.size_bytes += item.size_bytes;
    // Of a file of several names the content is read once.
    const bool is_read = item.content && (item.content_identity == 0 || seen_.insert(item.content_identity).second);
    if (is_read) report_.counts.read_bytes += item.size_bytes;
    observer_.progress.entries_done.fetch_add(1, std::memory_order_relaxed);
    if (observer_.wants_entries()) {
      observer_.entry_done(format::readable_key(kind_, item.key), item.existed ? "changed" : "new", item.size_bytes);
    }
    return {};
  }
  Status remove(ByteView key) override {
    if (observer_.wants_entries()) observer_.entry_done(format::readable_key(kind_, key), "removed", 0);
    return count_removed();
  }
  Status remove_range(ByteView, ByteView) override { return count_removed(); }
  Status unchanged(uint64_t entry_count, uint64_t size_bytes) override {
    report_.counts.unchanged_count += entry_count;
    report_.counts.size_bytes += size_bytes;
    observer_.progress.entries_done.fetch_add(entry_count, std::memory_order_relaxed);
    return {};
  }
  Status skip(source::Skip skip) override {
    observer_.skipped(skip.name, skip.error);
    ++report_.counts.skipped_count;
    report_.skipped.push_back({std::move(skip.key), std::move(skip.name), std::move(skip.error), false});
    return {};
  }
  Status put_state(ByteView, ByteView) override { return {}; }
  Status remove_state_range(ByteView, ByteView) override { return {}; }

 private:
  Status count_removed() {
    ++report_.counts.removed_count;
    return {};
  }
  BackupReport& report_;
  Observer& observer_;
  const format::EntryKind kind_;
  std::set<uint64_t> seen_;  // Contents of several names.
};

}  // namespace

Result<BackupCounts> count_source(source::Source& source, std::stop_token stop) {
  BackupReport report;
  SilentObserver observer;
  CountingSink sink(report, observer, source.describe().entry_kind);
  const std::set<Bytes> nothing;
  TRY_DO(source.scan({.retry = &nothing, .reads_contents = false, .stop = std::move(stop)}, sink));
  return report.counts;
}

Result<BackupReport> plan_backup(vault::Vault& vault, source::Source& source, const BackupRequest& request,
                                 Observer& observer) {
  vault::Vault::Domain& domain = *TRY(vault.home());
  TRY_DO(domain.log().refresh());
  const source::Description description = source.describe();
  const auto parent = find_parent(domain.log(), description, request);
  std::optional<TreeState> previous;
  std::optional<TreeEntries> entries;
  if (parent) previous.emplace(domain, to_root(parent->point.state));
  if (parent) entries.emplace(domain, to_root(parent->point.entries), parent->point.size_bytes);
  std::set<Bytes> retry;
  if (previous) retry = TRY(read_skipped(*previous));
  BackupReport report;
  CountingSink sink(report, observer, description.entry_kind);
  TRY_DO(source.scan({.previous = previous ? &*previous : nullptr,
                      .entries = entries ? &*entries : nullptr,
                      .retry = &retry,
                      .series = series_of(vault, description, request),
                      .reads_contents = false,
                      .stop = request.stop},
                     sink));
  report.point.point = describe_point(description, request, vault.clock().now());
  fill_counts(report.point.point, report.counts);
  return report;
}

}  // namespace holdfast::job
