// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <stop_token>
#include <string>

#include "base/result.h"
#include "format/content.h"
#include "job/live_set.h"
#include "job/vault_nodes.h"
#include "vault/vault.h"

namespace holdfast::job {

enum class ReferenceKind : uint8_t { node, chunk, piece };

// Something that a recovery point leans on.
struct Reference {
  ReferenceKind kind = ReferenceKind::node;
  ChunkId id;
  ObjectId point;
  ByteView key;  // Of the entry that names it, or the last key beneath a node; empty where none is known.
};

// Hears what is found. An error returned ends the walk and is its result.
class ReachabilityVisitor {
 public:
  virtual ~ReachabilityVisitor() = default;
  // First met. `chunk`: the entry that holds it; of a piece, its bundle.
  virtual Status reached(const Reference& reference, LiveSet::Place chunk) = 0;
  // Not in the index, unreadable, or not what it should be. What lies beneath it is not walked.
  virtual Status broken(const Reference& reference, Error error) = 0;
  virtual void entry_visited() {}
};

// Walks all that points lean on (trees, scan states, extent trees, chunks, pieces) and marks it in a LiveSet. What is
// marked already is not walked again, so that many points cost little more than one. Thread-compatible.
class Reachability {
 public:
  enum class Leaves : uint8_t {
    needed,  // Leaves of scan states name nothing and are not read.
    all,     // Every node is read.
  };
  // `domain` has its index loaded, and `live` was made of it.
  Reachability(vault::Vault::Domain& domain, LiveSet& live, Leaves leaves, ReachabilityVisitor& visitor,
               std::stop_token stop);

  Status walk(const vault::PointInfo& point);

 private:
  enum class TreeKind : uint8_t { entries, state };
  Status walk_tree(const tree::Root& root, TreeKind kind);
  Status walk_entry(ByteView key, ByteView value);
  Status walk_content(ByteView key, const format::Content& content);
  Status walk_extents(const format::ContentTree& content, ByteView key);
  Status mark_chunk(const ChunkId& chunk, uint32_t size_bytes, ByteView key);
  // Whether the node was not marked before and may be entered.
  Result<bool> mark_node(const ChunkId& node, ByteView key);
  Status broken(ReferenceKind kind, const ChunkId& id, ByteView key, Error error);
  Status check_stop() const;

  LiveSet& live_;
  const Leaves leaves_;
  ReachabilityVisitor& visitor_;
  const std::stop_token stop_;
  VaultNodes nodes_;
  ObjectId point_;
};

}  // namespace holdfast::job
