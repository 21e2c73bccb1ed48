// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "base/mutex.h"
#include "base/result.h"
#include "job/bucket_files.h"
#include "job/chunk_fetcher.h"
#include "job/vault_nodes.h"
#include "job/walk.h"
#include "mount/block_cache.h"
#include "tree/tree.h"
#include "vault/vault.h"

// Recovery points as something to look up, list and read at random, from any thread.
namespace holdfast::mount {

// What reads one domain: readers lent to one thread at a time, and the caches they share. The vault outlives it.
class DomainReaders {
 public:
  DomainReaders(vault::Vault& vault, vault::Vault::Domain& domain, BlockCache& nodes, BlockCache& blocks)
      : vault_(vault), domain_(domain), nodes_(nodes), blocks_(blocks) {}

  struct Reader : tree::NodeStore {
    Reader(vault::Vault& vault, vault::Vault::Domain& domain, BlockCache& cache)
        : nodes(domain), fetcher(domain, vault.store()), node_cache(cache) {}
    Result<ChunkId> put(ByteView node) override { return nodes.put(node); }
    Result<Bytes> get(const ChunkId& id) override;
    // Where this reader stood last in that tree: names asked for in order, as ls(1), find(1) and rsync(1) do, then cost
    // a step each and not a way down from the root, on which every node is checked anew.
    tree::Cursor& cursor(const tree::Root& root);
    // Likewise, of a bucket's point.
    job::BucketFiles& bucket_files(const vault::PointInfo& point);
    job::VaultNodes nodes;
    job::ChunkFetcher fetcher;
    BlockCache& node_cache;

   private:
    tree::Root cursor_root_;
    std::optional<tree::Cursor> cursor_;
    ObjectId bucket_;
    std::optional<job::BucketFiles> bucket_files_;
  };
  // Hands the reader back when it goes.
  struct Return {
    DomainReaders* owner;
    void operator()(Reader* reader) const { owner->give_back(reader); }
  };
  using Loan = std::unique_ptr<Reader, Return>;
  Loan lend() EXCLUDES(mutex_);

  // A chunk's or piece's bytes, from the cache or the vault.
  Result<std::shared_ptr<const Bytes>> block(Reader& reader, const ChunkId& id, bool is_piece);

 private:
  void give_back(Reader* reader) EXCLUDES(mutex_);
  vault::Vault& vault_;
  vault::Vault::Domain& domain_;
  BlockCache& nodes_;
  BlockCache& blocks_;
  Mutex mutex_;
  std::vector<std::unique_ptr<Reader>> idle_ GUARDED_BY(mutex_);
};

// One point: a file tree, or a bucket's current objects as one. All methods may be called from any thread.
class PointView {
 public:
  PointView(DomainReaders& readers, const vault::PointInfo& point) : readers_(readers), point_(point) {}
  const vault::PointInfo& point() const { return point_; }

  // Nothing if there is no such entry. A folder that has no entry of its own but something beneath it, and the root of
  // any point, are there all the same, with plain attributes.
  Result<std::optional<job::PathEntry>> look_up(ByteView key);

  // The children of a folder in key order, from the one after `after` (none: the first), until `visit` says no.
  Status list(ByteView folder, const std::optional<Bytes>& after,
              const std::function<Result<bool>(const job::PathEntry&)>& visit);

  // Bytes read: less than asked only at the end of the content.
  Result<size_t> read(const format::Content& content, uint64_t offset_bytes, MutableByteView out);

  enum class Seek { data, hole };
  // Where data or a hole begins at or after the offset; the end of the content is a hole. Nothing if there is none.
  Result<std::optional<uint64_t>> seek(const format::Content& content, uint64_t offset_bytes, Seek what);

 private:
  job::PathEntry plain_folder(ByteView key) const;
  Result<size_t> read_extents(DomainReaders::Reader& reader, const format::Content& content, uint64_t offset_bytes,
                              MutableByteView out);
  DomainReaders& readers_;
  const vault::PointInfo point_;
};

}  // namespace holdfast::mount
