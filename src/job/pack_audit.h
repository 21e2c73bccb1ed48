// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "crypto/hash.h"
#include "vault/vault.h"

namespace holdfast::job {

struct RecordDamage {
  uint32_t offset_bytes = 0;
  std::optional<ChunkId> id;  // Where the header could be read.
  Error error;
};

// What reading one pack came to.
struct PackFinding {
  uint64_t read_bytes = 0;
  uint64_t record_count = 0;
  std::optional<Error> error;         // Of the pack as a whole.
  std::vector<RecordDamage> records;  // That cannot be used.
};

// Reads packs whole and checks every byte of them: the hash against the name, head, tail and signature, the contents
// table, and each record by opening, decompressing and hashing it anew. Without the data key the last is left out: the
// hash of the pack still covers it. One a thread: holds a pack.
class PackAuditor {
 public:
  PackAuditor(vault::Vault& vault, vault::Vault::Domain& domain);

  // `entries`: what the index says stands in the pack. An error is the store's, not the pack's.
  Result<PackFinding> audit(const format::PackInfo& pack, std::span<const format::ChunkLocation> entries);
  // A pack that no index names: its name alone can be checked.
  Result<PackFinding> audit_name(const std::string& key, const ObjectId& name, uint64_t size_bytes);

 private:
  Result<ByteView> read(const std::string& key, uint64_t size_bytes, PackFinding& finding);
  Status check_whole(const format::PackInfo& pack, ByteView whole);
  void check_records(const format::PackInfo& pack, ByteView whole, const std::vector<format::RecordHeader>& headers,
                     std::span<const format::ChunkLocation> entries, PackFinding& finding);
  void check_entries(const format::PackInfo& pack, ByteView whole, std::span<const format::ChunkLocation> entries,
                     PackFinding& finding);
  Status check_record(const format::PackInfo& pack, ByteView record, const format::RecordHeader* expected);

  vault::Vault& vault_;
  vault::Vault::Domain& domain_;
  const bool can_read_content_;
  std::unique_ptr<vault::RecordReader> reader_;
  AlignedBuffer buffer_;
};

}  // namespace holdfast::job
