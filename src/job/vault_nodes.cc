// SPDX-License-Identifier: Apache-2.0
#include "job/vault_nodes.h"

#include "crypto/hash.h"

namespace holdfast::job {

VaultNodes::VaultNodes(vault::Vault::Domain& domain, vault::Session::Worker* worker)
    : domain_(domain), worker_(worker), reader_(domain.make_reader()) {}

Result<ChunkId> VaultNodes::put(ByteView node) {
  if (worker_ == nullptr) return Error(ErrorCode::internal, "tree node put into a vault opened for reading");
  return TRY(worker_->put_node(node)).id;
}

Result<Bytes> VaultNodes::get(const ChunkId& id) {
  TRY_DO(domain_.load_index_once());
  auto location = domain_.index().find_chunk(format::short_id(id));
  if (!location) return Error(ErrorCode::not_found, "tree node " + to_hex(id) + " is not in the index");
  auto read = reader_->read(*location);
  // Each time round one more pack is known to be missing.
  while (!read && read.error().code() == ErrorCode::not_found) {
    TRY_DO(domain_.look_beyond(location->pack->id));
    location = domain_.index().find_chunk(format::short_id(id));
    if (!location) break;
    read = reader_->read(*location);
  }
  const vault::OpenedRecord record = TRY(std::move(read));
  if (record.header.id != id || record.header.kind != format::RecordKind::node) {
    return Error(ErrorCode::corrupt, "tree node " + to_hex(id) + ": another record stands in its place");
  }
  return to_bytes(record.plain);
}

tree::Config tree_config(const vault::Vault::Domain& domain) {
  tree::Config config;
  const std::array<ByteView, 1> parts{domain.keys().cutter_key.view()};
  const crypto::Secret32 key = crypto::derive_key("holdfast v1 tree boundaries", parts);
  std::copy_n(key.view().begin(), config.boundary_key.size(), config.boundary_key.begin());
  return config;
}

tree::Root to_root(const format::TreeReference& reference) {
  return {.node = reference.node, .height = reference.height, .entry_count = reference.entry_count};
}
format::TreeReference to_reference(const tree::Root& root) {
  return {.node = root.node, .height = root.height, .entry_count = root.entry_count};
}

}  // namespace holdfast::job
