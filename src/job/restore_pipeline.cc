// SPDX-License-Identifier: Apache-2.0
#include "job/restore_pipeline.h"

#include <algorithm>
#include <map>
#include <tuple>

namespace holdfast::job {

namespace {

// A task of small files: a few bundles' worth.
constexpr uint64_t small_task_size_bytes = 2 << 20;
// Windows begin at multiples of this; whole ones are written past the page cache.
constexpr uint64_t window_size_bytes = 4 << 20;
constexpr size_t problems_kept_max = 100'000;

bool concerns_target(const Error& error) {
  return error.code() == ErrorCode::no_space || error.code() == ErrorCode::cancelled;
}

}  // namespace

struct RestorePipeline::Hands {
  Hands(vault::Vault::Domain& domain, store::ObjectStore& store) : fetcher(domain, store), window(window_size_bytes) {}
  ChunkFetcher fetcher;
  AlignedBuffer window;
  Bytes existing;
};

RestorePipeline::RestorePipeline(vault::Vault& vault, vault::Vault::Domain& domain, unsigned worker_count,
                                 const RestoreRequest& request, Observer& observer)
    : vault_(vault),
      domain_(domain),
      dry_run_(request.dry_run),
      stop_(request.stop),
      observer_(observer),
      patience_(vault.store(), request.stop, failed_.get_token()),
      tasks_(worker_count * 2) {
  for (unsigned started = 0; started < worker_count; ++started) workers_.emplace_back([this] { work(); });
}

RestorePipeline::~RestorePipeline() {
  fail(Error(ErrorCode::cancelled, "the restore was stopped"));
  tasks_.close();
  workers_.clear();
}

void RestorePipeline::fail(Error error) {
  {
    const MutexLock lock(mutex_);
    if (!error_) error_ = std::move(error);
  }
  failed_.request_stop();
}

Status RestorePipeline::first_error() {
  const MutexLock lock(mutex_);
  if (error_) return *error_;
  return {};
}

void RestorePipeline::problem(std::string name, Error error) {
  observer_.progress.problems.fetch_add(1, std::memory_order_relaxed);
  const MutexLock lock(mutex_);
  observer_.skipped(name, error);
  if (error.code() == ErrorCode::corrupt) report_.damage_found = true;
  if (report_.problems.size() < problems_kept_max) report_.problems.push_back({std::move(name), std::move(error)});
}

void RestorePipeline::tell_entry(ByteView key, const target::Placement& placement, const format::Entry& entry) {
  if (placement.action == target::Placement::Action::left_out) return;
  const bool kept = placement.action == target::Placement::Action::done && placement.kept;
  const std::string_view action = kept ? "unchanged" : placement.replaces ? "changed" : "new";
  const MutexLock lock(mutex_);
  observer_.entry_done(std::string(as_text(key)), action, format::content_size_bytes(entry.content));
}

Status RestorePipeline::judge(const std::string& name, Error error) {
  if (concerns_target(error)) return error;
  problem(name, std::move(error));
  return {};
}

void RestorePipeline::count(uint64_t entries, uint64_t kept, uint64_t written, uint64_t fetched) {
  observer_.progress.entries_done.fetch_add(entries, std::memory_order_relaxed);
  observer_.progress.bytes_done.fetch_add(written, std::memory_order_relaxed);
  const MutexLock lock(mutex_);
  report_.entry_count += entries;
  report_.kept_count += kept;
  report_.written_bytes += written;
  report_.fetched_bytes += fetched;
}

RestoreReport RestorePipeline::report() {
  const MutexLock lock(mutex_);
  return report_;
}

Status RestorePipeline::take(target::Placement placement, const format::Entry& entry, tree::NodeStore& nodes) {
  TRY_DO(first_error());
  if (placement.action == target::Placement::Action::left_out) return {};
  if (placement.action == target::Placement::Action::done) {
    count(1, placement.kept ? 1 : 0, 0, 0);
    return {};
  }
  if (dry_run_) {
    count(1, 0, format::content_size_bytes(entry.content), 0);
    return {};
  }
  if (const auto* piece = std::get_if<format::ContentPiece>(&entry.content)) {
    gathered_.push_back({std::move(placement.writer), piece->piece, piece->size_bytes});
    return gathering_.add(piece->size_bytes) ? submit_small() : Status();
  }
  const std::string name = placement.writer->name();
  Status taken = take_extents(std::move(placement.writer), entry.content, nodes);
  return taken ? taken : judge(name, std::move(taken.error()));
}

// Sorts what was gathered by where it stands and shares it out in tasks. Packs come in the order in which their first
// file came: that is the order the store was told (job/pack_demand.h).
Status RestorePipeline::submit_small() {
  struct Placed {
    Small small;
    vault::Location location;
    size_t pack_rank = 0;  // 0: not found.
  };
  std::map<ObjectId, size_t> ranks;
  std::vector<Placed> placed;
  placed.reserve(gathered_.size());
  for (Small& small : gathered_) {
    const auto location = domain_.index().find_piece(format::short_id(small.piece));
    const size_t rank = location ? ranks.try_emplace(location->pack->id, ranks.size() + 1).first->second : 0;
    placed.push_back({std::move(small), location.value_or(vault::Location{}), rank});
  }
  gathered_.clear();
  std::stable_sort(placed.begin(), placed.end(), [](const Placed& a, const Placed& b) {
    return std::tie(a.pack_rank, a.location.offset_bytes) < std::tie(b.pack_rank, b.location.offset_bytes);
  });
  Task task;
  uint64_t task_bytes = 0;
  for (size_t at = 0; at < placed.size(); ++at) {
    const bool new_record = at > 0 && (placed[at].pack_rank != placed[at - 1].pack_rank ||
                                       placed[at].location.offset_bytes != placed[at - 1].location.offset_bytes);
    if (new_record && task_bytes >= small_task_size_bytes) {
      TRY_DO(submit(std::exchange(task, {})));
      task_bytes = 0;
    }
    task_bytes += placed[at].small.size_bytes;
    task.small.push_back(std::move(placed[at].small));
  }
  if (!task.small.empty()) TRY_DO(submit(std::move(task)));
  return {};
}

Status RestorePipeline::submit(Task task) {
  TRY_DO(first_error());
  if (!tasks_.push(std::move(task))) return Error(ErrorCode::cancelled, "the restore was stopped");
  return {};
}

// Cuts a content into windows; a chunk that straddles two is fetched for both.
Status RestorePipeline::take_extents(std::shared_ptr<target::Writer> writer, const format::Content& content,
                                     tree::NodeStore& nodes) {
  const uint64_t size_bytes = format::content_size_bytes(content);
  TRY_DO(writer->prepare(size_bytes));
  auto large = std::make_shared<Large>();
  // An older one may stand there, or what a restore that was stopped had of this one.
  large->compare_first = TRY(writer->read_existing(0, {}));
  large->writer = std::move(writer);
  {
    const MutexLock lock(large->mutex);
    large->windows_left = 1;  // Ours, given up when all are submitted.
  }
  tree::ContentReader reader(nodes, content);
  TRY_DO(reader.seek(0));
  Task task;
  const auto submit_window = [&](uint64_t end) -> Status {
    task.large = large;
    task.window_end_bytes = end;
    // What reaches into the next window is wanted there again.
    std::vector<Part> next;
    for (const Part& part : task.parts) {
      if (part.offset_bytes + part.extent.size_bytes() > end) next.push_back(part);
    }
    {
      const MutexLock lock(large->mutex);
      ++large->windows_left;
    }
    TRY_DO(submit(std::exchange(task, {})));
    task.window_begin_bytes = end;
    task.parts = std::move(next);
    return {};
  };
  uint64_t window_end = window_size_bytes;
  while (reader.valid()) {
    const format::Extent& extent = reader.extent();
    const uint64_t begin = reader.offset_bytes(), end = begin + extent.size_bytes();
    uint64_t offset = begin;
    while (offset < end) {
      while (offset >= window_end) {
        TRY_DO(submit_window(window_end));
        window_end += window_size_bytes;
      }
      if (extent.kind == format::ExtentKind::hole) {
        // A hole needs no windows: it is made at once, and the windows go on behind it.
        TRY_DO(large->writer->make_hole(offset, end - offset));
        if (end > window_end) {
          TRY_DO(submit_window(window_end));
          window_end = end / window_size_bytes * window_size_bytes + window_size_bytes;
          task.window_begin_bytes = window_end - window_size_bytes;
        }
        offset = end;
        continue;
      }
      Part part{.offset_bytes = offset, .extent = extent};
      part.extent.repeat = 1;
      if (extent.kind == format::ExtentKind::zeros) part.extent.gap_size_bytes = std::min(end, window_end) - offset;
      offset += part.extent.size_bytes();
      task.parts.push_back(std::move(part));
    }
    TRY_DO(reader.next());
  }
  while (window_end < size_bytes) {
    TRY_DO(submit_window(window_end));
    window_end += window_size_bytes;
  }
  TRY_DO(submit_window(size_bytes));
  end_window(*large, {});
  return {};
}

void RestorePipeline::work() {
  Hands hands(domain_, vault_.store());
  while (auto task = tasks_.pop()) {
    if (stop_.stop_requested()) fail(Error(ErrorCode::cancelled, "the restore was stopped"));
    Status done = first_error();
    if (done) done = task->large ? do_window(hands, *task) : do_small(hands, *task);
    if (!done) fail(std::move(done.error()));
  }
}

Status RestorePipeline::do_small(Hands& hands, Task& task) {
  std::vector<Wanted> wanted;
  wanted.reserve(task.small.size());
  for (size_t at = 0; at < task.small.size(); ++at) {
    wanted.push_back({.id = task.small[at].piece, .is_piece = true, .tag = at, .location = {}});
  }
  uint64_t entries = 0, bytes = 0;
  const Status fetched = hands.fetcher.fetch(
      wanted,
      [&](const Wanted& one, ByteView plain) -> Status {
        const Small& small = task.small[one.tag];
        if (plain.size() != small.size_bytes) {
          return judge(small.writer->name(), Error(ErrorCode::corrupt, "its content has another length than recorded"));
        }
        if (Status written = small.writer->write_whole(plain); !written) {
          return judge(small.writer->name(), std::move(written.error()));
        }
        ++entries;
        bytes += plain.size();
        task.small[one.tag].writer.reset();
        return {};
      },
      [&](const Wanted& one, Error error) { return judge(task.small[one.tag].writer->name(), std::move(error)); });
  count(entries, 0, bytes, bytes);
  return fetched;
}

// Fetches the window's chunks into place and writes what differs.
Status RestorePipeline::fill_window(Hands& hands, Task& task, MutableByteView window, uint64_t& written_bytes) {
  Large& large = *task.large;
  const uint64_t begin = task.window_begin_bytes, end = task.window_end_bytes;
  bool compare = large.compare_first;
  if (compare) {
    hands.existing.resize(window.size());
    compare = TRY(large.writer->read_existing(begin, hands.existing));
  }
  // Runs of the window that must be written, ascending.
  std::vector<std::pair<uint64_t, uint64_t>> dirty;
  const auto mark = [&](uint64_t from, uint64_t to) {
    from = std::max(from, begin);
    to = std::min(to, end);
    if (!dirty.empty() && dirty.back().second >= from) {
      dirty.back().second = std::max(dirty.back().second, to);
    } else {
      dirty.emplace_back(from, to);
    }
  };
  std::vector<Wanted> wanted;
  for (size_t at = 0; at < task.parts.size(); ++at) {
    const Part& part = task.parts[at];
    const uint64_t part_end = part.offset_bytes + part.extent.size_bytes();
    if (compare && part.extent.kind == format::ExtentKind::chunk && part.offset_bytes >= begin && part_end <= end) {
      const ByteView there = ByteView(hands.existing).subspan(part.offset_bytes - begin, part_end - part.offset_bytes);
      if (vault::hash_with(domain_.ids().chunk, there) == part.extent.chunk) {
        std::memcpy(window.data() + (part.offset_bytes - begin), there.data(), there.size());
        continue;
      }
    }
    mark(part.offset_bytes, part_end);
    if (part.extent.kind == format::ExtentKind::zeros) {
      std::memset(window.data() + (part.offset_bytes - begin), 0, part.extent.size_bytes());
    } else {
      wanted.push_back({.id = part.extent.chunk, .is_piece = false, .tag = at, .location = {}});
    }
  }
  TRY_DO(hands.fetcher.fetch(
      wanted,
      [&](const Wanted& one, ByteView plain) -> Status {
        const Part& part = task.parts[one.tag];
        if (plain.size() != part.extent.size_bytes()) {
          return Error(ErrorCode::corrupt, "chunk " + to_hex(one.id) + " has another length than recorded");
        }
        const uint64_t from = std::max(part.offset_bytes, begin);
        const uint64_t to = std::min(part.offset_bytes + plain.size(), end);
        std::memcpy(window.data() + (from - begin), plain.data() + (from - part.offset_bytes), to - from);
        return {};
      },
      [](const Wanted&, Error error) -> Status { return error; }));
  for (const auto& [from, to] : dirty) {
    TRY_DO(large.writer->write_at(from, window.subspan(from - begin, to - from)));
    written_bytes += to - from;
  }
  return {};
}

void RestorePipeline::end_window(Large& large, Status filled) {
  bool complete = false, failed_now = false;
  {
    const MutexLock lock(large.mutex);
    if (!filled && !large.failed) {
      large.failed = true;
      failed_now = true;
    }
    complete = --large.windows_left == 0 && !large.failed;
  }
  Status outcome = failed_now ? std::move(filled) : Status();
  if (complete) outcome = large.writer->complete();
  if (!outcome) {
    if (Status fatal = judge(large.writer->name(), std::move(outcome.error())); !fatal) fail(std::move(fatal.error()));
  } else if (complete) {
    count(1, 0, 0, 0);
  }
}

Status RestorePipeline::do_window(Hands& hands, Task& task) {
  const auto size = static_cast<size_t>(task.window_end_bytes - task.window_begin_bytes);
  uint64_t written_bytes = 0;
  Status filled = fill_window(hands, task, hands.window.span().first(size), written_bytes);
  count(0, 0, written_bytes, written_bytes);
  end_window(*task.large, std::move(filled));
  return {};
}

Status RestorePipeline::finish() {
  Status submitted = submit_small();
  tasks_.close();
  workers_.clear();
  TRY_DO(first_error());
  return submitted;
}

}  // namespace holdfast::job
