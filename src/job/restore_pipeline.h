// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <optional>
#include <thread>
#include <vector>

#include "base/bounded_queue.h"
#include "base/mutex.h"
#include "job/chunk_fetcher.h"
#include "job/observer.h"
#include "job/restore.h"
#include "job/small_gathering.h"
#include "store/patience.h"
#include "target/target.h"
#include "tree/content_list.h"

// The moving parts of a restore. Small files are gathered and sorted by the bundle that holds them, so that each is
// opened once; larger contents are filled window by window at their offsets, in any order. Workers, one a core, each
// take a task and run it to completion: read, open, decompress, check, write.
namespace holdfast::job {

class RestorePipeline {
 public:
  // A stop request is heeded between windows and between tasks of small files. What the store waits for ends at once
  // with it, and when one worker fails.
  RestorePipeline(vault::Vault& vault, vault::Vault::Domain& domain, unsigned worker_count,
                  const RestoreRequest& request, Observer& observer);
  ~RestorePipeline();

  // Takes what the target placed, in key order. Blocks while too much is under way.
  Status take(target::Placement placement, const format::Entry& entry, tree::NodeStore& nodes);
  void problem(std::string name, Error error) EXCLUDES(mutex_);
  // Tells the observer what becomes of an entry, by what the target found in its place.
  void tell_entry(ByteView key, const target::Placement& placement, const format::Entry& entry) EXCLUDES(mutex_);
  Status finish();
  RestoreReport report() EXCLUDES(mutex_);

 private:
  // A small file: one piece, or a few chunks that are written at once.
  struct Small {
    std::shared_ptr<target::Writer> writer;
    ChunkId piece;
    uint32_t size_bytes = 0;
  };
  // A content that is filled in windows.
  struct Large {
    std::shared_ptr<target::Writer> writer;
    bool compare_first = false;  // Something stands there already: only what differs is written.
    Mutex mutex;
    size_t windows_left GUARDED_BY(mutex) = 0;
    bool failed GUARDED_BY(mutex) = false;
  };
  struct Part {
    uint64_t offset_bytes = 0;   // In the content.
    format::Extent extent;       // chunk: one repeat. Gaps: cut to the window.
  };
  struct Task {
    std::vector<Small> small;    // Either these
    std::shared_ptr<Large> large;  // or a window of this.
    uint64_t window_begin_bytes = 0, window_end_bytes = 0;
    std::vector<Part> parts;
  };
  struct Hands;  // One worker's buffers.

  Status take_extents(std::shared_ptr<target::Writer> writer, const format::Content& content, tree::NodeStore& nodes);
  Status submit_small();
  Status submit(Task task);
  void work();
  Status do_small(Hands& hands, Task& task);
  Status do_window(Hands& hands, Task& task);
  Status fill_window(Hands& hands, Task& task, MutableByteView window, uint64_t& written_bytes);
  void end_window(Large& large, Status filled);
  // Counts an entry's failure; an error that concerns the whole target is returned.
  Status judge(const std::string& name, Error error);
  void fail(Error error) EXCLUDES(mutex_);
  Status first_error() EXCLUDES(mutex_);
  void count(uint64_t entries, uint64_t kept, uint64_t written, uint64_t fetched) EXCLUDES(mutex_);

  vault::Vault& vault_;
  vault::Vault::Domain& domain_;
  const bool dry_run_;
  const std::stop_token stop_;
  Observer& observer_;
  std::stop_source failed_;
  store::Patience patience_;
  std::vector<Small> gathered_;
  SmallGathering gathering_;
  BoundedQueue<Task> tasks_;
  std::vector<std::jthread> workers_;
  Mutex mutex_;
  RestoreReport report_ GUARDED_BY(mutex_);
  std::optional<Error> error_ GUARDED_BY(mutex_);
};

}  // namespace holdfast::job
