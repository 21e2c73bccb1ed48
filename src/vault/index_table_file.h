// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "base/result.h"
#include "base/seams.h"
#include "crypto/hash.h"
#include "os/mapped_file.h"
#include "vault/index.h"
#include "vault/keyring.h"

// An index table in a file of this machine: a cache that can be made again from the vault's segments. The file is no
// part of the vault's format; another program version may write another form under another number and discard this one.
//
// header | segments | packs | zeros up to 64 | chunk rows | piece rows | zeros up to 64 | filters | MACs
//
// It is read only after every byte of it was authenticated, under a key that derives from a metadata key of the domain
// and the header: so a table of another vault, domain, epoch or set of segments, or one that was cut or changed by
// accident or intent, is not this one. What it cannot prove is that its segments are still in the vault: its reader
// compares.
namespace holdfast::vault {

// What a table belongs to.
struct TableOwner {
  VaultId vault;
  const DomainKeys& keys;  // Of the domain; outlives whatever is made with it.
};

// What stands before the rows, known before the first row is.
struct TableContents {
  std::vector<TableSegment> segments;
  std::vector<format::PackInfo> packs;
  std::vector<uint32_t> segment_of_pack;
  uint64_t chunk_count = 0;
  uint64_t piece_count = 0;
};

class TableFileWriter {
 public:
  // `file` is fresh.
  static Result<TableFileWriter> begin(os::SealedFileWriter file, const TableOwner& owner,
                                       const TableContents& contents, Rng& rng);
  // Chunk rows, then piece rows, each sorted by id and, among equal ids, newest first.
  Status append(ByteView rows);
  // REQUIRES: as many rows were appended as `contents` said.
  Result<TablePtr> finish(ByteView chunk_filter, ByteView piece_filter);

 private:
  TableFileWriter(os::SealedFileWriter file, crypto::Secret32 key);
  Status pad();
  void close_part();

  os::SealedFileWriter file_;
  crypto::Secret32 key_;
  crypto::KeyedHasher hasher_;
  uint64_t part_size_bytes_ = 0;
  uint64_t part_count_ = 0;
  Bytes macs_;
};

// The table in `file`. `corrupt` if it is not one that was made for this owner, or not any more.
Result<TablePtr> open_table_file(os::MappedFile file, const TableOwner& owner);

}  // namespace holdfast::vault
