// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <unordered_map>

#include "base/mutex.h"
#include "job/vault_nodes.h"

namespace holdfast::job {

// The nodes of a session, which cannot be read back from the vault before it is flushed. Any thread.
class FreshNodes {
 public:
  explicit FreshNodes(size_t size_bytes_max) : size_bytes_max_(size_bytes_max) {}
  std::optional<Bytes> find(const ChunkId& id) EXCLUDES(mutex_);
  void add(const ChunkId& id, ByteView node) EXCLUDES(mutex_);
  // After a flush.
  void clear() EXCLUDES(mutex_);
  // It is time for a flush.
  bool is_full() EXCLUDES(mutex_);

 private:
  const size_t size_bytes_max_;
  Mutex mutex_;
  std::unordered_map<ChunkId, Bytes> nodes_ GUARDED_BY(mutex_);
  size_t size_bytes_ GUARDED_BY(mutex_) = 0;
};

// What one thread reads and writes of them.
class FreshNodeStore : public tree::NodeStore {
 public:
  // All must outlive it.
  FreshNodeStore(vault::Vault::Domain& domain, vault::Session::Worker& worker, FreshNodes& fresh)
      : stored_(domain, &worker), fresh_(fresh) {}
  // While one lives, put() flushes the session when it is time to. REQUIRES: nobody else is at work in it.
  class Alone {
   public:
    Alone(FreshNodeStore& nodes, vault::Session& session) : nodes_(nodes) { nodes_.session_ = &session; }
    ~Alone() { nodes_.session_ = nullptr; }
    Alone(const Alone&) = delete;
    Alone& operator=(const Alone&) = delete;

   private:
    FreshNodeStore& nodes_;
  };

  Result<ChunkId> put(ByteView node) override;
  Result<Bytes> get(const ChunkId& id) override;

 private:
  VaultNodes stored_;
  FreshNodes& fresh_;
  vault::Session* session_ = nullptr;  // Of Alone.
};

}  // namespace holdfast::job
