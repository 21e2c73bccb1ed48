// SPDX-License-Identifier: Apache-2.0
#include "job/backup_pipeline.h"

#include "base/check.h"
#include "job/skipped.h"
#include "job/whole_attributes.h"

namespace holdfast::job {

namespace {

// A batch is work for a few milliseconds: large enough that handing it over costs nothing, small enough to share out.
constexpr uint64_t batch_size_bytes = 4 << 20;
constexpr size_t batch_step_count = 512;
// Batches under way beyond those that workers hold.
constexpr size_t batches_ahead_max = 64;

codec::CutterKey cutter_key_of(const vault::Vault::Domain& domain) {
  return codec::CutterKey::derive(domain.keys().cutter_key);
}

}  // namespace

BackupPipeline::BackupPipeline(vault::Vault::Domain& domain, vault::Session& session, const PipelineOptions& options,
                               const tree::Root& base, Observer& observer)
    : domain_(domain),
      session_(session),
      options_(options),
      tree_config_(tree_config(domain)),
      base_(base),
      observer_(observer),
      tasks_(options.worker_count * 4),
      ordered_(batches_ahead_max) {
  for (unsigned count = 0; count < options_.worker_count; ++count) workers_.emplace_back([this] { work(); });
  builder_ = std::jthread([this] { build(); });
}

BackupPipeline::~BackupPipeline() { abandon(); }

void BackupPipeline::fail(Error error) {
  {
    const MutexLock lock(result_mutex_);
    if (!error_) error_ = std::move(error);
  }
  std::stop_source(options_.failed).request_stop();
}

Status BackupPipeline::first_error() {
  const MutexLock lock(result_mutex_);
  if (error_) return *error_;
  return {};
}

void BackupPipeline::record_skip(SkippedItem item) {
  observer_.progress.problems.fetch_add(1, std::memory_order_relaxed);
  const MutexLock lock(result_mutex_);
  observer_.skipped(item.name, item.error);
  ++counts_.skipped_count;
  if (skipped_.size() < skips_kept_max) {
    Bytes key = item.key;
    skipped_.insert_or_assign(std::move(key), std::move(item));
  }
}

// Gone before it was opened is no skip. But the scan state has it as it was listed, and should it come back just so it
// must not be taken for unchanged: it is remembered like what was skipped.
void BackupPipeline::remember_vanished(ByteView key) {
  const MutexLock lock(result_mutex_);
  if (skipped_.size() >= skips_kept_max) return;
  skipped_.try_emplace(to_bytes(key), SkippedItem{.key = to_bytes(key), .name = name_of(key),
                                                  .error = Error(ErrorCode::not_found, "vanished"), .vanished = true});
}

void BackupPipeline::skip(source::Skip skip) {
  record_skip({std::move(skip.key), std::move(skip.name), std::move(skip.error), false});
}

void BackupPipeline::count_unchanged(uint64_t entry_count, uint64_t size_bytes) {
  observer_.progress.entries_done.fetch_add(entry_count, std::memory_order_relaxed);
  const MutexLock lock(result_mutex_);
  counts_.unchanged_count += entry_count;
  counts_.size_bytes += size_bytes;
}

Status BackupPipeline::submit(std::shared_ptr<Batch> batch) {
  TRY_DO(first_error());
  const size_t part_count = batch->range_size_bytes > 0 ? batch->range_extents.size() : 1;
  if (!ordered_.push(batch)) return Error(ErrorCode::cancelled, "the backup was stopped");
  for (size_t range = 0; range < part_count; ++range) {
    if (!tasks_.push({batch, range})) return Error(ErrorCode::cancelled, "the backup was stopped");
  }
  return {};
}

Status BackupPipeline::submit_open_batch() {
  if (!open_batch_) return {};
  return submit(std::exchange(open_batch_, nullptr));
}

Status BackupPipeline::put(source::Item item) {
  if (item.content_identity != 0 && item.content && !identities_seen_.insert(item.content_identity).second) {
    item.content = nullptr;  // The builder takes what the first name stored.
  } else {
    item.content_identity = item.content ? item.content_identity : 0;
  }
  if (item.content && item.size_bytes == source::size_bytes_unknown) return put_stream(std::move(item));
  if (item.content && item.size_bytes > options_.huge_size_bytes) return put_huge(std::move(item));
  if (!open_batch_) open_batch_ = std::make_shared<Batch>();
  if (item.content) open_batch_->size_bytes += item.size_bytes;
  Step step;
  step.key = item.key;
  step.item = std::move(item);
  open_batch_->steps.push_back(std::move(step));
  if (open_batch_->size_bytes < batch_size_bytes && open_batch_->steps.size() < batch_step_count) return {};
  return submit_open_batch();
}

Status BackupPipeline::put_huge(source::Item item) {
  TRY_DO(submit_open_batch());
  auto batch = std::make_shared<Batch>();
  Step step;
  step.key = item.key;
  step.item = std::move(item);
  batch->steps.push_back(std::move(step));
  Step& only = batch->steps.front();
  if (Status opened = only.item.content->open(); !opened) {
    // Left to the ordinary path, which opens again and judges.
    batch->size_bytes = only.item.size_bytes;
    return submit(std::move(batch));
  }
  only.item.size_bytes = only.item.content->size_bytes();
  const uint64_t range_size = options_.huge_range_size_bytes;
  const uint64_t range_count = std::max<uint64_t>(1, (only.item.size_bytes + range_size - 1) / range_size);
  batch->range_size_bytes = range_size;
  batch->range_extents.resize(static_cast<size_t>(range_count));
  {
    const MutexLock lock(batch->mutex);
    batch->parts_left = static_cast<size_t>(range_count);
  }
  return submit(std::move(batch));
}

Bytes BackupPipeline::take_window() {
  {
    const MutexLock lock(windows_mutex_);
    if (!windows_.empty()) {
      Bytes window = std::move(windows_.back());
      windows_.pop_back();
      return window;
    }
  }
  return Bytes(window_room_bytes(options_.limits.chunk_size_bytes_mean));
}

// A stream can be read but once and in order, so the scan's thread reads and cuts it, which is cheap; hashing,
// compressing and sealing, which are not, go to the workers a window at a time. The builder appends what comes back in
// order, so that memory is bounded by the windows under way, whatever the stream's length.
Status BackupPipeline::put_stream(source::Item item) {
  TRY_DO(submit_open_batch());
  Step step;
  step.key = item.key;
  step.ends_stream = true;
  ContentOutcome& outcome = step.outcome;
  outcome.attributes = item.attributes;
  TRY_DO(read_stream(*item.content, outcome));
  if (outcome.error) {
    outcome.state = outcome.error->code() == ErrorCode::not_found ? ContentOutcome::State::vanished
                                                                  : ContentOutcome::State::failed;
  }
  item.content.reset();
  step.item = std::move(item);
  auto batch = std::make_shared<Batch>();
  batch->steps.push_back(std::move(step));
  return submit(std::move(batch));
}

// What is wrong with the stream goes into the outcome; an error means that the run has failed.
Status BackupPipeline::read_stream(source::Content& content, ContentOutcome& outcome) {
  const codec::Cutter chunk_cutter(cutter_key_of(domain_),
                                   codec::CutterSizes::around(options_.limits.chunk_size_bytes_mean));
  const WindowCutter cutter(chunk_cutter, options_.chunking, options_.block_size_bytes);
  const auto is_the_streams = [&](auto& result) {
    if (!result) outcome.error = std::move(result.error());
    return !result.has_value();
  };
  Status opened = content.open();
  if (is_the_streams(opened)) return {};
  Bytes window = take_window();
  size_t held = 0;
  for (bool is_last = false; !is_last;) {
    if (options_.stop.stop_requested()) return Error(ErrorCode::cancelled, "the backup was stopped");
    const size_t wanted = window.size() - held;
    auto size = [&] {
      const StageTimer timer(options_.profile, Stage::read);
      return content.read_at(outcome.read_bytes, MutableByteView(window).subspan(held, wanted));
    }();
    if (is_the_streams(size)) return {};
    outcome.read_bytes += *size;
    observer_.progress.bytes_done.fetch_add(*size, std::memory_order_relaxed);
    held += *size;
    is_last = *size < wanted;
    auto batch = std::make_shared<Batch>();
    size_t taken = 0;
    {
      const StageTimer timer(options_.profile, Stage::cut);
      while (const auto cut = cutter.next(ByteView(window).subspan(taken, held - taken), is_last)) {
        batch->cuts.push_back(*cut);
        taken += cut->size_bytes;
      }
    }
    Bytes next = take_window();
    std::memcpy(next.data(), window.data() + taken, held - taken);
    held -= taken;
    batch->window = std::exchange(window, std::move(next));
    if (!batch->cuts.empty()) TRY_DO(submit(std::move(batch)));
  }
  auto finished = content.finish();
  if (is_the_streams(finished)) return {};
  outcome.take(*std::move(finished));
  return {};
}

Status BackupPipeline::do_cuts(ContentStore& store, Batch& batch) {
  batch.cut_extents = TRY(store.store_cuts(batch.window, batch.cuts));
  const MutexLock lock(windows_mutex_);
  windows_.push_back(std::move(batch.window));
  return {};
}

Status BackupPipeline::remove(ByteView key) {
  if (!open_batch_) open_batch_ = std::make_shared<Batch>();
  Step step;
  step.action = Step::Action::remove;
  step.key = to_bytes(key);
  open_batch_->steps.push_back(std::move(step));
  return open_batch_->steps.size() < batch_step_count ? Status() : submit_open_batch();
}

Status BackupPipeline::remove_range(ByteView from, ByteView to) {
  if (!open_batch_) open_batch_ = std::make_shared<Batch>();
  Step step;
  step.action = Step::Action::remove_range;
  step.key = to_bytes(from);
  step.to = to_bytes(to);
  open_batch_->steps.push_back(std::move(step));
  return open_batch_->steps.size() < batch_step_count ? Status() : submit_open_batch();
}

void BackupPipeline::work() {
  ContentStore store(session_, cutter_key_of(domain_), options_.limits, options_.chunking, options_.block_size_bytes,
                     observer_.progress, options_.profile, options_.stop);
  while (auto task = tasks_.pop()) {
    Batch& batch = *task->batch;
    // Between items; within one, the content store looks.
    if (options_.stop.stop_requested()) fail(Error(ErrorCode::cancelled, "the backup was stopped"));
    Status done = first_error();
    if (done && !batch.cuts.empty()) {
      done = do_cuts(store, batch);
    } else if (done) {
      done = batch.range_size_bytes > 0 ? do_range(store, batch, task->range) : do_batch(store, batch);
    }
    if (!done) fail(std::move(done.error()));
    const MutexLock lock(batch.mutex);
    if (--batch.parts_left == 0) batch.changed.notify_all();
  }
  if (Status flushed = store.flush(); !flushed) fail(std::move(flushed.error()));
}

Status BackupPipeline::do_batch(ContentStore& store, Batch& batch) {
  for (Step& step : batch.steps) {
    if (step.action != Step::Action::put || !step.item.content) continue;
    step.outcome = TRY(store.store(*step.item.content, step.item.size_bytes, step.item.attributes));
    step.item.content.reset();
  }
  return {};
}

Status BackupPipeline::do_range(ContentStore& store, Batch& batch, size_t range) {
  const Step& step = batch.steps.front();
  const uint64_t begin = range * batch.range_size_bytes;
  const uint64_t end = std::min(begin + batch.range_size_bytes, step.item.size_bytes);
  uint64_t read_bytes = 0;
  auto extents = store.store_range(*step.item.content, begin, end, read_bytes);
  // The store's failure, not the item's?
  if (!extents) TRY_DO(session_.first_error());
  if (!extents && extents.error().code() == ErrorCode::cancelled) return std::move(extents.error());
  const MutexLock lock(batch.mutex);
  batch.range_read_bytes += read_bytes;
  if (extents) {
    batch.range_extents[range] = std::move(*extents);
  } else if (!batch.range_error) {
    batch.range_error = std::move(extents.error());
  }
  return {};
}

// Joins the ranges of a huge content. On the builder's thread, once all are done.
void BackupPipeline::finish_huge(Batch& batch) {
  Step& step = batch.steps.front();
  ContentOutcome& outcome = step.outcome;
  auto finished = step.item.content->finish();
  step.item.content.reset();
  const MutexLock lock(batch.mutex);
  outcome.read_bytes = batch.range_read_bytes;
  if (batch.range_error || !finished) {
    outcome.error = batch.range_error ? std::move(*batch.range_error) : std::move(finished.error());
    outcome.state = ContentOutcome::State::failed;
    return;
  }
  outcome.take(*std::move(finished));
  uint64_t missing = 0;
  for (size_t range = 0; range < batch.range_extents.size(); ++range) {
    auto& extents = batch.range_extents[range];
    // It shrank under one worker and grew again under the next: what follows must stay at its place.
    if (missing > 0 && !extents.empty()) outcome.extents.push_back(format::Extent::hole(std::exchange(missing, 0)));
    uint64_t size = std::min(batch.range_size_bytes, step.item.size_bytes - range * batch.range_size_bytes);
    for (const format::Extent& extent : extents) size -= extent.size_bytes();
    missing += size;
    outcome.extents.insert(outcome.extents.end(), extents.begin(), extents.end());
    extents = {};
  }
}

void BackupPipeline::build() {
  vault::Session::Worker worker(session_);
  VaultNodes nodes(domain_, &worker);
  tree::Editor editor(nodes, tree_config_, base_);
  while (auto batch = ordered_.pop()) {
    {
      Batch& waited = **batch;
      const MutexLock lock(waited.mutex);
      while (waited.parts_left > 0) waited.changed.wait(waited.mutex);
    }
    if (!first_error()) continue;
    if ((*batch)->range_size_bytes > 0) finish_huge(**batch);
    const bool is_cuts = !(*batch)->cuts.empty();
    Status applied = is_cuts ? apply_cuts(nodes, **batch) : apply({worker, nodes, editor}, **batch);
    if (!applied) fail(std::move(applied.error()));
  }
  stream_content_.reset();  // What a run that failed has left; it refers to `nodes`.
  if (!first_error()) return;
  auto root = editor.finish();
  if (!root) return fail(std::move(root.error()));
  root_ = *root;
}

Status BackupPipeline::apply_cuts(VaultNodes& nodes, Batch& batch) {
  if (!stream_content_) stream_content_.emplace(nodes, tree_config_);
  for (const format::Extent& extent : batch.cut_extents) TRY_DO(stream_content_->append(extent));
  return {};
}

void BackupPipeline::tell_entry(ByteView key, std::string_view action, uint64_t size_bytes) {
  if (!observer_.wants_entries()) return;
  const MutexLock lock(result_mutex_);
  observer_.entry_done(name_of(key), action, size_bytes);
}

Status BackupPipeline::apply(const Builder& builder, Batch& batch) {
  const StageTimer timer(options_.profile, Stage::tree);
  BackupCounts done;
  for (Step& step : batch.steps) {
    switch (step.action) {
      case Step::Action::remove:
        TRY_DO(builder.editor.remove(step.key));
        ++done.removed_count;
        tell_entry(step.key, "removed", 0);
        break;
      case Step::Action::remove_range:
        TRY_DO(builder.editor.remove_range(step.key, step.to));
        ++done.removed_count;
        break;
      case Step::Action::put: {
        TRY_DO(apply_put(builder, step));
        done.read_bytes += step.outcome.read_bytes;
        if (step.outcome.state != ContentOutcome::State::stored) break;
        (step.item.existed ? done.changed_count : done.new_count) += 1;
        const bool is_stream = step.item.size_bytes == source::size_bytes_unknown;
        const uint64_t size_bytes = is_stream ? step.outcome.read_bytes : step.item.size_bytes;
        done.size_bytes += size_bytes;
        tell_entry(step.key, step.item.existed ? "changed" : "new", size_bytes);
        break;
      }
    }
  }
  observer_.progress.entries_done.fetch_add(batch.steps.size(), std::memory_order_relaxed);
  const MutexLock lock(result_mutex_);
  counts_.new_count += done.new_count;
  counts_.changed_count += done.changed_count;
  counts_.removed_count += done.removed_count;
  counts_.read_bytes += done.read_bytes;
  counts_.size_bytes += done.size_bytes;
  return {};
}

Status BackupPipeline::apply_put(const Builder& builder, Step& step) {
  ContentOutcome& outcome = step.outcome;
  source::Item& item = step.item;
  if (step.ends_stream && stream_content_) {
    outcome.content = TRY(stream_content_->finish());
    stream_content_.reset();
  }
  if (item.content_identity != 0 && outcome.attributes.empty() &&
      !identities_stored_.contains(item.content_identity)) {
    // A further name of a file whose first name could not be read.
    outcome.state = ContentOutcome::State::failed;
    if (!outcome.error) outcome.error = Error(ErrorCode::io, "another name of this file could not be read");
  }
  if (outcome.state != ContentOutcome::State::stored) {
    if (outcome.state == ContentOutcome::State::failed) {
      record_skip({to_bytes(item.key), name_of(item.key), std::move(*outcome.error), false});
    } else {
      remember_vanished(item.key);
    }
    return builder.editor.remove(item.key);  // What could not be read is not in this point, whatever the last one held.
  }
  format::Content content;
  if (outcome.piece) {
    content = *outcome.piece;
  } else if (outcome.content) {
    content = std::move(*outcome.content);
  } else if (!outcome.extents.empty()) {
    tree::ContentBuilder list(builder.nodes, tree_config_);
    for (const format::Extent& extent : outcome.extents) TRY_DO(list.append(extent));
    content = TRY(list.finish());
  }
  if (outcome.changed_while_read) {
    record_skip({to_bytes(item.key), name_of(item.key),
                 Error(ErrorCode::changed, "changed while it was read; stored as it was seen last"), false});
  } else if (outcome.missing) {
    record_skip({to_bytes(item.key), name_of(item.key), std::move(*outcome.missing), false});
  }
  const Bytes& attributes = outcome.attributes.empty() ? item.attributes : outcome.attributes;
  ByteView chosen = attributes;
  if (item.content_identity != 0) {
    auto& linked = identities_stored_[item.content_identity];
    const bool is_first = linked.attributes.empty();
    if (is_first) linked = {content, attributes};
    content = linked.content;
    chosen = linked.attributes;
  }
  return put_entry(builder, step, chosen, content);
}

Status BackupPipeline::put_entry(const Builder& builder, Step& step, ByteView attributes,
                                 const format::Content& content) {
  const source::Item& item = step.item;
  SplitAttributes split;
  if (attributes.size() > attributes_inline_size_bytes_max) {
    auto stored = store_whole_attributes(builder.worker, attributes, options_.limits.chunk_size_bytes_mean);
    if (!stored) {
      TRY_DO(session_.first_error());
      record_skip({to_bytes(item.key), name_of(item.key), std::move(stored.error()), false});
      step.outcome.state = ContentOutcome::State::failed;
      return builder.editor.remove(item.key);
    }
    split = std::move(*stored);
    attributes = split.in_tree;
  }
  entry_buffer_.clear();
  ByteWriter out(entry_buffer_);
  format::encode_entry(out, options_.entry_kind, attributes, content, split.whole);
  return builder.editor.put(item.key, entry_buffer_);
}

Result<tree::Root> BackupPipeline::finish() {
  Status submitted = submit_open_batch();
  tasks_.close();
  workers_.clear();
  ordered_.close();
  if (builder_.joinable()) builder_.join();
  TRY_DO(first_error());
  TRY_DO(submitted);
  CHECK(root_.has_value());
  return *root_;
}

void BackupPipeline::abandon() {
  if (root_) return;  // Finished.
  fail(Error(ErrorCode::cancelled, "the backup was stopped"));
  tasks_.close();
  workers_.clear();
  ordered_.close();
  if (builder_.joinable()) builder_.join();
}

BackupCounts BackupPipeline::counts() {
  const MutexLock lock(result_mutex_);
  return counts_;
}

}  // namespace holdfast::job
