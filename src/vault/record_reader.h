// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <memory>
#include <tuple>
#include <vector>

#include "base/bytes.h"
#include "base/mutex.h"
#include "base/result.h"
#include "codec/compress.h"
#include "store/object_store.h"
#include "vault/index.h"
#include "vault/keyring.h"
#include "vault/record_sealer.h"

namespace holdfast::vault {

// What an opened record holds. The views are valid until the opener's next call.
struct OpenedRecord {
  format::RecordHeader header;
  ByteView plain;
  const std::vector<format::Piece>* pieces = nullptr;  // Bundles.
  // Bundles: the full ids of the pieces, found from their bytes. Null where there is no id key.
  const std::vector<ChunkId>* piece_ids = nullptr;
};

// Turns sealed records of one domain back into plaintext, and checks that it is what the record's id says (collectors,
// who have no id key, must do with the seal, which binds the id). Session
// secrets are opened once and shared by all readers of the domain.
class SessionSecrets {
 public:
  SessionSecrets(VaultId vault, const DomainKeys& keys) : vault_(vault), keys_(keys) {}
  // `denied` without the data private key.
  Result<crypto::Secret32> open(const PackOrigin& origin, const format::PackHead& head) EXCLUDES(mutex_);

 private:
  const VaultId vault_;
  const DomainKeys& keys_;
  Mutex mutex_;
  // By the sealed secret and whom it is bound to.
  std::map<std::tuple<std::array<std::byte, 112>, AuthorId, Epoch>, crypto::Secret32> opened_ GUARDED_BY(mutex_);
};

// One a thread.
class RecordReader {
 public:
  RecordReader(store::ObjectStore& store, VaultId vault, const DomainKeys& keys, const IdKeys& ids,
               SessionSecrets& secrets);

  // Opens the record that `bytes` are.
  Result<OpenedRecord> open(const format::PackInfo& pack, ByteView bytes);
  // The record's header alone: needs no data key.
  Result<format::RecordHeader> open_header(const format::PackInfo& pack, ByteView bytes);
  // Its pieces (bundles): needs no data key.
  Result<std::vector<format::Piece>> open_pieces(const format::PackInfo& pack, const format::RecordHeader& header,
                                                 ByteView bytes);
  // The headers of all records of the pack whose bytes are `whole`, in order; they lie side by side behind the head.
  // Needs no data key. Checks the head, its copy and the footer, not the signature.
  Result<std::vector<format::RecordHeader>> open_contents(const format::PackInfo& pack, ByteView whole);
  // What an origin record names: the pack that later records were sealed in first. Needs no data key.
  Result<format::PackInfo> open_origin(const format::PackInfo& pack, ByteView bytes);
  // Where the record with this header was sealed first: `pack` itself unless it was moved there.
  Result<format::PackInfo> origin_of_record(const format::PackInfo& pack, const format::RecordHeader& header);
  // Fetches and opens. What turns out to be damaged the store is asked to mend, and it is read once more.
  Result<OpenedRecord> read(const Location& location);

  // Checks a pack's head against the metadata key: `corrupt` if it is not of this domain and epoch.
  Status check_head(const format::PackInfo& pack);

 private:
  struct Keys {
    std::unique_ptr<HeaderKeys> header;
    std::unique_ptr<ContentKeys> content;  // Made when first needed.
  };
  Result<OpenedRecord> read_once(const Location& location);
  bool mend(const format::PackInfo& pack);
  Result<Keys*> keys_for(const format::PackInfo& pack);
  Result<ContentKeys*> content_keys(const format::PackInfo& pack, const format::RecordHeader& header, Keys& keys);
  Result<format::PackInfo> read_origin(const format::PackInfo& pack, uint32_t offset_bytes);
  Result<ContentKeys*> foreign_content_keys(const format::PackInfo& pack, const format::RecordHeader& header);
  PackOrigin origin_of(const format::PackInfo& pack) const;

  store::ObjectStore& store_;
  const VaultId vault_;
  const DomainKeys& keys_;
  RecordIdChecker id_checker_;
  SessionSecrets& secrets_;
  codec::Decompressor decompressor_;
  // All that a pack's keys are bound to: whoever copies a salt must not profit from keys made for its owner.
  using PackBinding = std::tuple<std::array<std::byte, 32>, std::array<std::byte, 32>, std::array<std::byte, 8>,
                                 Epoch, uint8_t>;
  static PackBinding binding_of(const format::PackInfo& pack) {
    return {pack.head.salt, pack.head.commitment, pack.author, pack.epoch, pack.kind};
  }
  std::map<PackBinding, Keys> pack_keys_;
  std::map<PackBinding, std::shared_ptr<ContentKeys>> foreign_keys_;  // By the origin.
  // By the pack that a moved record stands in and the place of its origin record. Shares the keys above.
  std::map<std::pair<PackBinding, uint32_t>, std::shared_ptr<ContentKeys>> moved_keys_;
  std::map<ObjectId, bool> mended_;  // Packs whose bytes were wrong: whether the store says they are right now.
  Bytes record_, opened_, plain_;
  std::vector<format::Piece> pieces_;
};

// The body of an origin record: where later records of its pack were sealed first.
// `id` and `size_bytes` of the pack are not kept.
inline constexpr size_t origin_body_size_bytes = 1 + 4 + 8 + format::PackHead::size_bytes;
inline constexpr size_t origin_record_size_bytes =
    format::record_prefix_size_bytes + origin_body_size_bytes + crypto::aead_tag_size_bytes;
Bytes encode_origin_body(const format::PackInfo& pack);
Result<format::PackInfo> decode_origin_body(ByteView bytes);

}  // namespace holdfast::vault
