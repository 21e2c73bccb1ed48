// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>

#include "tree/tree.h"
#include "vault/session.h"
#include "vault/vault.h"

namespace holdfast::job {

// A vault's tree nodes, as trees want them. For one thread each, whatever NodeStore promises of others: reading keys
// and buffers are kept between calls.
class VaultNodes : public tree::NodeStore {
 public:
  // Reading only, or writing through `worker` as well.
  explicit VaultNodes(vault::Vault::Domain& domain, vault::Session::Worker* worker = nullptr);

  Result<ChunkId> put(ByteView node) override;
  Result<Bytes> get(const ChunkId& id) override;

 private:
  Result<Bytes> read_elsewhere(const ChunkId& id, Error error);

  vault::Vault::Domain& domain_;
  vault::Session::Worker* worker_;
  std::unique_ptr<vault::RecordReader> reader_;
};

// How a domain's trees are cut.
tree::Config tree_config(const vault::Vault::Domain& domain);

tree::Root to_root(const format::TreeReference& reference);
format::TreeReference to_reference(const tree::Root& root);

}  // namespace holdfast::job
