// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "base/bytes.h"
#include "base/profile.h"
#include "base/result.h"
#include "codec/compress.h"
#include "crypto/batch_hash.h"
#include "crypto/hash.h"
#include "vault/open_pack.h"

namespace holdfast::vault {

// The hashing keys of a domain. Chunks, pieces, bundles and nodes are named apart, so that one never passes for
// another.
struct IdKeys {
  explicit IdKeys(const crypto::Secret32& id_key);
  crypto::KeyedHasher chunk, piece, bundle, node;
};
ChunkId hash_with(const crypto::KeyedHasher& hasher, ByteView bytes);
// A bundle is named by its pieces' full ids, in order.
ChunkId bundle_id(const IdKeys& keys, const std::vector<ChunkId>& pieces);

// Recomputes the ids of opened records from their plaintext. One a thread.
class RecordIdChecker {
 public:
  explicit RecordIdChecker(const IdKeys& ids) : ids_(ids), batch_(ids.piece) {}
  // `corrupt` if `plain` is not what the header says. `pieces` for bundles.
  Status check(const format::RecordHeader& header, ByteView plain, const std::vector<format::Piece>& pieces);
  // Of the bundle checked last: its pieces' full ids, in order.
  const std::vector<ChunkId>& piece_ids() const { return piece_ids_; }

 private:
  Result<ChunkId> bundle_of(const format::RecordHeader& header, ByteView plain,
                            const std::vector<format::Piece>& pieces);
  const IdKeys& ids_;
  crypto::BatchHasher batch_;
  std::vector<ByteView> messages_;
  std::vector<crypto::Hash32> hashes_;
  std::vector<ChunkId> piece_ids_;
};

// Compresses, seals and checks records; one a thread. Nothing is allocated per record once warm.
class RecordSealer {
 public:
  // `profile` may be null.
  RecordSealer(const IdKeys& ids, codec::Effort effort, Profile* profile);

  struct Prepared {
    format::RecordHeader header;          // Without ordinals.
    ByteView content;                     // Compressed or the plaintext itself.
    Bytes piece_table;
  };
  // Compresses where that pays. `content` points into this object or `plain`, until the next call.
  Result<Prepared> prepare(format::RecordKind kind, const ChunkId& id, ByteView plain,
                           const std::vector<format::Piece>* pieces, codec::Material material);

  // Seals `prepared` into the slot of `pack`, then opens the result, decompresses it and hashes it again: a flipped bit
  // in memory or a fault of the compressor ends here, before anything relies on it (`internal`).
  Result<RecordEntry> seal(OpenPack& pack, const OpenPack::Slot& slot, const Prepared& prepared,
                           const crypto::Secret32& metadata_key, const crypto::Secret32& content_secret);

 private:
  struct PackKeys {
    uint64_t serial = 0;
    std::unique_ptr<HeaderKeys> header;
    std::unique_ptr<ContentKeys> content;
  };
  PackKeys& keys_for(const OpenPack& pack, const crypto::Secret32& metadata_key,
                     const crypto::Secret32& content_secret);
  Status seal_into(MutableByteView out, const Prepared& prepared, RecordEntry& entry, PackKeys& keys);
  Status check(ByteView record, const RecordEntry& entry, ByteView piece_table, PackKeys& keys);
  Status check_metadata(ByteView record, const RecordEntry& entry, ByteView piece_table, HeaderKeys& keys);

  RecordIdChecker id_checker_;
  const codec::Effort effort_;
  Profile* const profile_;
  codec::Compressor compressor_;
  codec::Decompressor decompressor_;
  Bytes compressed_, opened_, decompressed_;
  std::vector<PackKeys> keys_;  // Few: the packs open at once.
};

}  // namespace holdfast::vault
