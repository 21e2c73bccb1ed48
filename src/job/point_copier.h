// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <memory>
#include <stop_token>
#include <unordered_map>
#include <vector>

#include "base/result.h"
#include "format/entry.h"
#include "job/chunk_fetcher.h"
#include "job/observer.h"
#include "job/vault_nodes.h"
#include "tree/tree.h"
#include "vault/session.h"

namespace holdfast::job {

// What chunks and pieces of one domain are called in another. Forgets when it grows large: then they are read again.
class IdMap {
 public:
  const ChunkId* find(const ChunkId& id, bool is_piece) const;
  void add(const ChunkId& from, const ChunkId& to, bool is_piece);
  void trim();  // Drops everything if too much is held.

 private:
  std::unordered_map<ChunkId, ChunkId> chunks_, pieces_;
};

// Copies one point's entries from one domain into a session of another. Reads and stores in parallel, window by window;
// edits the tree on the caller's thread.
class PointCopier {
 public:
  struct Options {
    unsigned worker_count = 1;
    uint32_t bundle_size_bytes = 0;
    std::stop_token stop;
  };
  PointCopier(vault::Vault& from, vault::Vault::Domain& from_domain, vault::Vault::Domain& to_domain,
              vault::Session& session, const Options& options, IdMap& ids, Observer& observer);
  ~PointCopier();

  // Applies the difference of two trees of entries to `to_base`, the copy of the first. Yields the copy of the second.
  Result<tree::Root> copy_entries(const tree::Root& from_base, const tree::Root& from_root, const tree::Root& to_base);
  // The same for trees whose values name nothing.
  Result<tree::Root> copy_values(const tree::Root& from_base, const tree::Root& from_root, const tree::Root& to_base);
  uint64_t read_bytes() const { return read_bytes_; }

 private:
  struct Pending {
    Bytes key;
    std::optional<format::Entry> entry;  // None: remove.
  };
  // One id that is wanted, and what became of it.
  struct Fetched {
    ChunkId from, to;
    bool is_piece = false;
    uint32_t size_bytes = 0;
    Bytes claimed;  // A piece that this session must store.
  };
  struct Hands;  // One thread's.

  Status take(const tree::Difference& difference, tree::Editor& editor);
  Status want(const ChunkId& id, bool is_piece, uint32_t size_bytes);
  Status want_list(const format::Content& content);
  Status copy_whole_attributes(format::Entry& entry, tree::Editor& editor);
  Status copy_large(Pending pending, tree::Editor& editor);
  Result<format::Content> copied_content(const format::Content& content);
  Status apply(const Pending& pending, tree::Editor& editor);
  Status flush_window(tree::Editor& editor);
  Status fetch_window();
  Status fetch_share(Hands& hands, size_t begin, size_t end);
  Status keep_piece(Fetched& piece);
  Status flush_bundle();

  vault::Vault::Domain& from_domain_;
  vault::Vault::Domain& to_domain_;
  const Options options_;
  IdMap& ids_;
  Observer& observer_;
  vault::Session::Worker worker_;
  VaultNodes from_nodes_, to_nodes_;
  std::vector<std::unique_ptr<Hands>> hands_;
  std::vector<Pending> pending_;
  uint64_t pending_bytes_ = 0;
  std::vector<Fetched> window_;
  std::map<std::pair<ChunkId, bool>, size_t> in_window_;
  uint64_t window_bytes_ = 0;
  Bytes bundle_, value_;
  std::vector<ChunkId> bundle_ids_;
  std::vector<uint32_t> bundle_sizes_;
  uint64_t read_bytes_ = 0;
};

}  // namespace holdfast::job
