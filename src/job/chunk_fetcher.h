// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "vault/vault.h"

namespace holdfast::job {

// Something wanted from the vault: a chunk, or the bundle of a piece.
struct Wanted {
  ChunkId id;
  bool is_piece = false;
  size_t tag = 0;             // The caller's.
  vault::Location location;   // Filled by locate().
};

// Reads many records with few requests: by pack and offset, neighbours in one read, each record opened once however
// many want it. One a thread.
class ChunkFetcher {
 public:
  explicit ChunkFetcher(vault::Vault::Domain& domain, store::ObjectStore& store);

  // Where it stands. `not_found` naming the chunk if the index does not know it.
  Status locate(Wanted& wanted);

  // Delivers the plaintext of each: of a piece, just its own bytes, checked against its full id. What cannot be read
  // goes to `missing`; an error from either callback ends the run and is returned. Reorders `wanted`.
  Status fetch(std::vector<Wanted>& wanted, const std::function<Status(const Wanted&, ByteView plain)>& deliver,
               const std::function<Status(const Wanted&, Error)>& missing);

  // One alone.
  Result<Bytes> get(const ChunkId& id, bool is_piece);

 private:
  Status locate_all(std::vector<Wanted>& wanted, const std::function<Status(const Wanted&, Error)>& missing);
  Status fetch_run(std::vector<Wanted>::iterator begin, std::vector<Wanted>::iterator end,
                   const std::function<Status(const Wanted&, ByteView)>& deliver,
                   const std::function<Status(const Wanted&, Error)>& missing);
  Status deliver_record(std::vector<Wanted>::iterator begin, std::vector<Wanted>::iterator end, ByteView record,
                        const std::function<Status(const Wanted&, ByteView)>& deliver,
                        const std::function<Status(const Wanted&, Error)>& missing);
  Status read_elsewhere(const Wanted& wanted, Error error,
                        const std::function<Status(const Wanted&, ByteView)>& deliver,
                        const std::function<Status(const Wanted&, Error)>& missing);
  Result<ByteView> part_of(const Wanted& wanted, const vault::OpenedRecord& record);

  vault::Vault::Domain& domain_;
  store::ObjectStore& store_;
  std::unique_ptr<vault::RecordReader> reader_;
  Bytes run_;
};

}  // namespace holdfast::job
