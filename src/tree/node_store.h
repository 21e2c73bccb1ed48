// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/bytes.h"
#include "base/hash_id.h"
#include "base/result.h"

namespace holdfast::tree {

// Where tree nodes live: a map from keyed hash to bytes. The tree neither hashes nor seals; equal bytes get equal ids.
// Every method may be called from any thread.
class NodeStore {
 public:
  virtual ~NodeStore() = default;
  // Stores a node unless it is there already. Storing the same bytes twice is cheap and yields the same id.
  virtual Result<ChunkId> put(ByteView node) = 0;
  // `not_found` if no such node is known, `corrupt` if it does not open.
  virtual Result<Bytes> get(const ChunkId& id) = 0;
};

}  // namespace holdfast::tree
