// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "base/bytes.h"
#include "base/mutex.h"
#include "base/result.h"
#include "crypto/sign.h"
#include "format/index_segment.h"
#include "format/pack.h"
#include "vault/pack_keys.h"

namespace holdfast::vault {

// What was put into a pack under one ordinal, for its contents and the index.
struct RecordEntry {
  format::RecordHeader header;
  uint32_t offset_bytes = 0;
  std::vector<format::Piece> pieces;  // Bundles only.
};

// A pack being filled in memory. Any number of threads reserve room and write their records into it side by side; the
// bytes are sealed in place and never copied.
class OpenPack {
 public:
  // `buffer` is as large as the pack may become. `head` is complete.
  OpenPack(AlignedBuffer buffer, const PackOrigin& origin, const format::PackHead& head, uint64_t serial);

  const PackOrigin& origin() const { return origin_; }
  const format::PackHead& head() const { return head_; }
  uint64_t serial() const { return serial_; }  // Tells packs of one session apart.

  struct Slot {
    uint32_t offset_bytes = 0;
    uint32_t ordinal = 0;
    MutableByteView bytes;
  };
  // Room for a record, or nothing: then the pack is full, or closed already. The caller should close() it.
  std::optional<Slot> reserve(uint64_t size_bytes) EXCLUDES(mutex_);
  // The record stands in its slot. True if the pack is closed and this was the last one under way: the caller now
  // owns finishing it.
  bool complete(RecordEntry entry) EXCLUDES(mutex_);
  // The record will not come: the pack is spoilt and must not be stored. True as of complete().
  bool give_up() EXCLUDES(mutex_);
  bool is_spoilt() const EXCLUDES(mutex_);
  // Takes no more from now on. True if nothing is under way: the caller owns finishing it.
  bool close() EXCLUDES(mutex_);
  bool empty() const EXCLUDES(mutex_);

  struct Finished {
    ObjectId id;
    uint32_t size_bytes = 0;
  };
  // Writes contents, padding, tail and signature behind the records. Once, by the owner.
  Finished finish(HeaderKeys& keys, const crypto::SigningKey& signer);
  ByteView bytes(const Finished& finished) const { return buffer_.span().first(finished.size_bytes); }
  const std::vector<RecordEntry>& entries() const { return entries_; }  // By ordinal. After close.
  AlignedBuffer take_buffer() { return std::move(buffer_); }

 private:
  uint64_t room_needed(uint64_t record_size_bytes) const REQUIRES_LOCK(mutex_);

  AlignedBuffer buffer_;
  const PackOrigin origin_;
  const format::PackHead head_;
  const uint64_t serial_;
  mutable Mutex mutex_;
  uint64_t used_bytes_ GUARDED_BY(mutex_) = format::PackHead::size_bytes;
  uint32_t reserved_count_ GUARDED_BY(mutex_) = 0;
  uint32_t under_way_count_ GUARDED_BY(mutex_) = 0;
  bool closed_ GUARDED_BY(mutex_) = false;
  bool spoilt_ GUARDED_BY(mutex_) = false;
  std::vector<RecordEntry> entries_;  // Grown under mutex_; read without it by the owner once closed.
};

// The signature context of packs.
inline constexpr std::string_view pack_signature_context = "holdfast v1 pack";

}  // namespace holdfast::vault
