// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <condition_variable>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <stop_token>
#include <thread>
#include <vector>

#include "base/bounded_queue.h"
#include "base/mutex.h"
#include "job/content_store.h"
#include "job/observer.h"
#include "job/vault_nodes.h"
#include "source/source.h"
#include "tree/content_list.h"
#include "tree/tree.h"
#include "vault/session.h"

// The moving parts of a backup. The scan hands over items in key order; they travel in batches. Workers, one a core,
// each take a whole batch and run it to completion: read, cut, hash, look up, compress, seal. One builder takes the
// finished batches in order and edits the tree. Memory is bounded by the batches under way.
namespace holdfast::job {

struct BackupCounts {
  uint64_t new_count = 0;
  uint64_t changed_count = 0;
  uint64_t unchanged_count = 0;
  uint64_t removed_count = 0;
  uint64_t skipped_count = 0;
  uint64_t size_bytes = 0;
  uint64_t read_bytes = 0;
};

struct SkippedItem {
  Bytes key;
  std::string name;
  Error error;
  bool vanished = false;  // Not skipped, but to be looked at again.
};

// One step of the edit, in key order.
struct Step {
  enum class Action : uint8_t { put, remove, remove_range };
  Action action = Action::put;
  Bytes key, to;               // `to`: end of the range.
  source::Item item;           // put
  bool ends_stream = false;
  ContentOutcome outcome;      // put, once the batch is done
};

// Steps that one worker does in one go; or the ranges of one huge content, which several share.
struct Batch {
  std::vector<Step> steps;
  uint64_t size_bytes = 0;
  // Huge: steps holds just the one item.
  std::vector<std::vector<format::Extent>> range_extents;
  uint64_t range_size_bytes = 0;  // 0: not huge.
  // Of a stream: what is cut of its bytes. The last batch has no bytes but the stream's step.
  Bytes window;
  std::vector<Cut> cuts;
  std::vector<format::Extent> cut_extents;

  Mutex mutex;
  ConditionVariable changed;
  size_t parts_left GUARDED_BY(mutex) = 1;
  uint64_t range_read_bytes GUARDED_BY(mutex) = 0;
  std::optional<Error> range_error GUARDED_BY(mutex);
};

struct PipelineOptions {
  unsigned worker_count = 1;
  ContentLimits limits;
  source::Chunking chunking = source::Chunking::content_defined;
  uint32_t block_size_bytes = 0;
  format::EntryKind entry_kind = format::EntryKind::file;
  Profile* profile = nullptr;  // Null: nothing is timed.
  uint64_t huge_size_bytes = 48 << 20;        // Contents beyond this are split so that all workers share them.
  uint64_t huge_range_size_bytes = 32 << 20;
  std::stop_token stop;
  std::stop_source failed = std::stop_source(std::nostopstate);  // Requested when the run fails.
};

class BackupPipeline {
 public:
  // `base`: the tree that the steps edit.
  BackupPipeline(vault::Vault::Domain& domain, vault::Session& session, const PipelineOptions& options,
                 const tree::Root& base, Observer& observer);
  ~BackupPipeline();

  // On the scan's thread, in key order. Blocks while too much is under way. An error means that the run has failed.
  Status put(source::Item item);
  Status remove(ByteView key);
  Status remove_range(ByteView from, ByteView to);
  void skip(source::Skip skip) EXCLUDES(result_mutex_);
  void count_unchanged(uint64_t entry_count, uint64_t size_bytes) EXCLUDES(result_mutex_);

  // Waits for everything and yields the edited tree.
  Result<tree::Root> finish();
  // Stops as soon as may be; finish() need not be called.
  void abandon();

  BackupCounts counts() EXCLUDES(result_mutex_);
  // Ordered by key. After finish().
  const std::map<Bytes, SkippedItem>& skipped() const { return skipped_; }

 private:
  struct Task {
    std::shared_ptr<Batch> batch;
    size_t range = 0;
  };
  Status submit_open_batch();
  Status submit(std::shared_ptr<Batch> batch);
  Status put_huge(source::Item item);
  Status put_stream(source::Item item);
  Status read_stream(source::Content& content, ContentOutcome& outcome);
  Status do_cuts(ContentStore& store, Batch& batch) EXCLUDES(windows_mutex_);
  Bytes take_window() EXCLUDES(windows_mutex_);
  void work();
  Status do_batch(ContentStore& store, Batch& batch);
  Status do_range(ContentStore& store, Batch& batch, size_t range);
  void finish_huge(Batch& batch);
  void build();
  Status apply_cuts(VaultNodes& nodes, Batch& batch);
  // The builder's hands.
  struct Builder {
    vault::Session::Worker& worker;
    VaultNodes& nodes;
    tree::Editor& editor;
  };
  Status apply(const Builder& builder, Batch& batch);
  Status apply_put(const Builder& builder, Step& step);
  void tell_entry(ByteView key, std::string_view action, uint64_t size_bytes) EXCLUDES(result_mutex_);
  // Of an item whose attributes cannot be stored the outcome becomes `failed`.
  Status put_entry(const Builder& builder, Step& step, ByteView attributes,
                   const format::Content& content);
  void fail(Error error) EXCLUDES(result_mutex_);
  Status first_error() EXCLUDES(result_mutex_);
  void record_skip(SkippedItem item) EXCLUDES(result_mutex_);
  std::string name_of(ByteView key) const { return format::readable_key(options_.entry_kind, key); }
  void remember_vanished(ByteView key) EXCLUDES(result_mutex_);

  vault::Vault::Domain& domain_;
  vault::Session& session_;
  const PipelineOptions options_;
  const tree::Config tree_config_;
  const tree::Root base_;
  Observer& observer_;

  std::shared_ptr<Batch> open_batch_;
  BoundedQueue<Task> tasks_;
  BoundedQueue<std::shared_ptr<Batch>> ordered_;
  std::vector<std::jthread> workers_;
  std::jthread builder_;

  // Hard links: content is read for the first name only. Touched by the scan's thread and the builder, respectively.
  std::set<uint64_t> identities_seen_;
  struct Linked {
    format::Content content;
    Bytes attributes;
  };
  std::map<uint64_t, Linked> identities_stored_;
  Bytes entry_buffer_;
  std::optional<tree::ContentBuilder> stream_content_;  // Of the stream at hand. The builder's.

  Mutex windows_mutex_;
  std::vector<Bytes> windows_ GUARDED_BY(windows_mutex_);  // To be used again.

  Mutex result_mutex_;
  BackupCounts counts_ GUARDED_BY(result_mutex_);
  std::map<Bytes, SkippedItem> skipped_;  // Written under result_mutex_; read after finish().
  std::optional<Error> error_ GUARDED_BY(result_mutex_);
  std::optional<tree::Root> root_;
};

}  // namespace holdfast::job
