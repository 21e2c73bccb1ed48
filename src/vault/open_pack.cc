// SPDX-License-Identifier: Apache-2.0
#include "vault/open_pack.h"

#include "base/check.h"
#include "crypto/padding.h"

namespace holdfast::vault {

namespace {

constexpr uint64_t padding_unit_bytes = 64 * 1024;

// Large packs are rounded to 64 KiB, small ones as PADMÉ says: either tells little about what is inside.
uint64_t padded_size_bytes(uint64_t size_bytes, uint64_t capacity_bytes) {
  const uint64_t rounded = size_bytes >= capacity_bytes / 2
                               ? (size_bytes + padding_unit_bytes - 1) / padding_unit_bytes * padding_unit_bytes
                               : crypto::padme(size_bytes);
  return std::min(rounded, capacity_bytes);
}

}  // namespace

OpenPack::OpenPack(AlignedBuffer buffer, const PackOrigin& origin, const format::PackHead& head, uint64_t serial)
    : buffer_(std::move(buffer)), origin_(origin), head_(head), serial_(serial) {
  format::encode_pack_head(head_, buffer_.span().first(format::PackHead::size_bytes));
}

uint64_t OpenPack::room_needed(uint64_t record_size_bytes) const {
  const uint64_t contents = 10 + (uint64_t{reserved_count_} + 1) * format::RecordHeader::size_bytes +
                            crypto::aead_nonce_size_bytes + crypto::aead_tag_size_bytes;
  return used_bytes_ + record_size_bytes + contents + format::pack_tail_size_bytes;
}

std::optional<OpenPack::Slot> OpenPack::reserve(uint64_t size_bytes) {
  const MutexLock lock(mutex_);
  if (closed_) return std::nullopt;
  if (room_needed(size_bytes) > buffer_.size()) {
    CHECK(reserved_count_ > 0);  // Bounds on records keep any one of them below a pack's size.
    return std::nullopt;
  }
  Slot slot;
  slot.offset_bytes = static_cast<uint32_t>(used_bytes_);
  slot.ordinal = reserved_count_++;
  slot.bytes = buffer_.span().subspan(used_bytes_, size_bytes);
  used_bytes_ += size_bytes;
  ++under_way_count_;
  return slot;
}

bool OpenPack::complete(RecordEntry entry) {
  const MutexLock lock(mutex_);
  const uint32_t ordinal = entry.header.ordinal;
  if (entries_.size() <= ordinal) entries_.resize(ordinal + 1);
  entries_[ordinal] = std::move(entry);
  --under_way_count_;
  return closed_ && under_way_count_ == 0;
}

bool OpenPack::give_up() {
  const MutexLock lock(mutex_);
  spoilt_ = true;
  --under_way_count_;
  return closed_ && under_way_count_ == 0;
}

bool OpenPack::is_spoilt() const {
  const MutexLock lock(mutex_);
  return spoilt_;
}

bool OpenPack::close() {
  const MutexLock lock(mutex_);
  const bool was_closed = closed_;
  closed_ = true;
  return !was_closed && under_way_count_ == 0;
}

bool OpenPack::empty() const {
  const MutexLock lock(mutex_);
  return reserved_count_ == 0;
}

OpenPack::Finished OpenPack::finish(HeaderKeys& keys, const crypto::SigningKey& signer) {
  uint64_t used_bytes = 0;
  {
    const MutexLock lock(mutex_);
    CHECK(closed_ && under_way_count_ == 0 && entries_.size() == reserved_count_);
    used_bytes = used_bytes_;
  }
  std::vector<format::RecordHeader> headers;
  headers.reserve(entries_.size());
  for (const RecordEntry& entry : entries_) headers.push_back(entry.header);
  Bytes contents;
  format::encode_contents(contents, headers);

  const uint64_t contents_size = crypto::aead_nonce_size_bytes + contents.size() + crypto::aead_tag_size_bytes;
  const uint64_t total = padded_size_bytes(used_bytes + contents_size + format::pack_tail_size_bytes, buffer_.size());
  MutableByteView bytes = buffer_.span().first(total);
  const auto contents_nonce = keys.nonce(contents);
  std::memcpy(bytes.data() + used_bytes, contents_nonce.data(), contents_nonce.size());
  keys.seal("contents", contents_nonce, contents,
            bytes.subspan(used_bytes + contents_nonce.size(), contents.size() + crypto::aead_tag_size_bytes));
  const uint64_t tail_offset = total - format::pack_tail_size_bytes;
  keys.fill_padding(bytes.subspan(used_bytes + contents_size, tail_offset - used_bytes - contents_size));
  format::encode_pack_head(head_, bytes.subspan(tail_offset, format::PackHead::size_bytes));

  // One pass over the bytes serves both the signature (over all before it) and the name (over everything).
  crypto::Hasher hasher;
  const uint64_t signature_offset = tail_offset + format::PackHead::size_bytes;
  hasher.update(bytes.first(signature_offset));
  const crypto::Signature signature = signer.sign(pack_signature_context, hasher.finalize());
  std::memcpy(bytes.data() + signature_offset, signature.data(), signature.size());

  std::array<std::byte, format::PackFooter::size_bytes> footer;
  format::encode_pack_footer({.contents_offset_bytes = used_bytes,
                              .contents_size_bytes = contents_size,
                              .record_count = static_cast<uint32_t>(entries_.size())},
                             footer);
  const auto footer_nonce = keys.nonce(footer);
  const uint64_t footer_offset = signature_offset + signature.size();
  std::memcpy(bytes.data() + footer_offset, footer_nonce.data(), footer_nonce.size());
  keys.seal("footer", footer_nonce, footer, bytes.subspan(footer_offset + footer_nonce.size()));
  hasher.update(bytes.subspan(signature_offset));
  return {.id = ObjectId::from(hasher.finalize()), .size_bytes = static_cast<uint32_t>(total)};
}

}  // namespace holdfast::vault
