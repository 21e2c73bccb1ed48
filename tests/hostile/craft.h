// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "base/bytes.h"
#include "format/index_segment.h"
#include "format/log_record.h"
#include "format/pack.h"
#include "vault/pack_keys.h"
#include "vault/vault.h"

// For tests only: stored objects as an author makes them who keeps to no rule, by the code that makes the good ones.
namespace holdfast::hostile {

// A log record in every detail as `envelope` says; the body is sealed with `metadata_key`.
Bytes craft_log_record(format::LogEnvelope envelope, ByteView body, const crypto::Secret32& metadata_key,
                       const crypto::SigningKey& signer, Rng& rng);

// An index segment that says to be of `author` in that domain and epoch.
struct SegmentClaim {
  VaultId vault;
  vault::DomainId domain = 0;
  vault::Epoch epoch = 0;
  vault::AuthorId author;
};
Bytes craft_segment(const SegmentClaim& claim, const format::SegmentContents& contents,
                    const crypto::Secret32& metadata_key, const crypto::SigningKey& signer, Rng& rng);

// A record whose header, piece table and content need not fit each other. `content` is what is stored, before its seal.
struct CraftedRecord {
  format::RecordHeader header;  // Ordinal, and the sizes of content and piece table, are filled in.
  Bytes piece_table;            // As encoded.
  Bytes content;
};

struct CraftedPack {
  Bytes bytes;
  format::PackInfo info;
  std::vector<format::ChunkLocation> chunks;  // Of pack 0.
};
// A pack whose records are sealed with keys of `metadata_key`, `content_secret` and `origin`. `sealed_secret` stands in
// its head.
CraftedPack craft_pack(const vault::PackOrigin& origin, const crypto::Secret32& metadata_key,
                       const crypto::Secret32& content_secret, const std::array<std::byte, 112>& sealed_secret,
                       std::vector<CraftedRecord> records, const crypto::SigningKey& signer);

}  // namespace holdfast::hostile
