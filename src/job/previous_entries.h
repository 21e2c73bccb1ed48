// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "job/node_cache.h"
#include "job/vault_nodes.h"
#include "source/source.h"

namespace holdfast::job {

// The entries of a point, for a source that compares them with what it finds.
class TreeEntries : public source::PreviousEntries {
 public:
  TreeEntries(vault::Vault::Domain& domain, const tree::Root& root, uint64_t size_bytes)
      : vault_nodes_(domain), nodes_(vault_nodes_), root_(root), size_bytes_(size_bytes), cursor_(nodes_, root) {}
  Status seek(ByteView key) override { return cursor_.seek(key); }
  bool valid() const override { return cursor_.valid(); }
  ByteView key() const override { return cursor_.entry().key; }
  Result<Bytes> attributes() override;
  Status next() override { return cursor_.next(); }
  source::Totals totals() const override { return {.entry_count = root_.entry_count, .size_bytes = size_bytes_}; }
  Result<std::vector<Bytes>> split(uint64_t entry_count) override;

 private:
  VaultNodes vault_nodes_;
  NodeCache nodes_;
  const tree::Root root_;
  const uint64_t size_bytes_;
  tree::Cursor cursor_;
};

}  // namespace holdfast::job
