// SPDX-License-Identifier: Apache-2.0
#include "job/vault_nodes.h"

#include "crypto/hash.h"
#include "vault/index_homes.h"

namespace holdfast::job {

namespace {
Result<Bytes> node_of(const ChunkId& id, const vault::OpenedRecord& record) {
  if (record.header.id == id && record.header.kind == format::RecordKind::node) return to_bytes(record.plain);
  return Error(ErrorCode::corrupt, "tree node " + to_hex(id) + ": another record stands in its place");
}
}  // namespace

VaultNodes::VaultNodes(vault::Vault::Domain& domain, vault::Session::Worker* worker)
    : domain_(domain), worker_(worker), reader_(domain.make_reader()) {}

Result<ChunkId> VaultNodes::put(ByteView node) {
  if (worker_ == nullptr) return Error(ErrorCode::internal, "tree node put into a vault opened for reading");
  return TRY(worker_->put_node(node)).id;
}

Result<Bytes> VaultNodes::get(const ChunkId& id) {
  TRY_DO(domain_.load_index_once());
  auto location = domain_.index().find_chunk(format::short_id(id));
  if (!location) {
    TRY_DO(domain_.catch_up());
    location = domain_.index().find_chunk(format::short_id(id));
  }
  if (!location) return Error(ErrorCode::not_found, "tree node " + to_hex(id) + " is not in the index");
  auto read = reader_->read(*location);
  // Each time round one more pack is known to be missing.
  while (!read && read.error().code() == ErrorCode::not_found) {
    TRY_DO(domain_.look_beyond(location->pack->id));
    location = domain_.index().find_chunk(format::short_id(id));
    if (!location) break;
    read = reader_->read(*location);
  }
  auto node = read ? node_of(id, *read) : Result<Bytes>(read.error());
  return node ? std::move(node) : read_elsewhere(id, std::move(node.error()));
}

// As ChunkFetcher does.
Result<Bytes> VaultNodes::read_elsewhere(const ChunkId& id, Error error) {
  TRY_DO(domain_.catch_up());
  for (const vault::Location& home : vault::chunk_homes(domain_.index(), format::short_id(id))) {
    const auto read = reader_->read(home);
    if (!read) continue;
    if (auto node = node_of(id, *read)) return node;
  }
  return error;
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
