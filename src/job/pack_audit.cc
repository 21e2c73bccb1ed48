// SPDX-License-Identifier: Apache-2.0
#include "job/pack_audit.h"

#include <algorithm>

#include "vault/open_pack.h"

namespace holdfast::job {

PackAuditor::PackAuditor(vault::Vault& vault, vault::Vault::Domain& domain)
    : vault_(vault),
      domain_(domain),
      can_read_content_(vault.keyring().can_read_content(domain.id())),
      reader_(domain.make_reader()) {}

Result<ByteView> PackAuditor::read(const std::string& key, uint64_t size_bytes, PackFinding& finding) {
  if (buffer_.size() < size_bytes) buffer_ = AlignedBuffer(size_bytes);
  const MutableByteView whole = buffer_.span().first(size_bytes);
  TRY_DO(vault_.store().read(key, 0, whole));
  finding.read_bytes = size_bytes;
  return ByteView(whole);
}

Result<PackFinding> PackAuditor::audit_name(const std::string& key, const ObjectId& name, uint64_t size_bytes) {
  PackFinding finding;
  if (size_bytes > format::pack_size_bytes_max) {
    finding.error = Error(ErrorCode::corrupt, "larger than any pack");
    return finding;
  }
  const ByteView whole = TRY(read(key, size_bytes, finding));
  const auto is_named = [&] { return ObjectId::from(crypto::hash(whole)) == name; };
  const auto read_mended = [&] {
    return vault_.store().examine(key, store::Repair::write_back) && read(key, size_bytes, finding);
  };
  if (!is_named() && !(read_mended() && is_named())) {
    finding.error = Error(ErrorCode::corrupt, "its bytes do not match its name");
  }
  return finding;
}

Result<PackFinding> PackAuditor::audit(const format::PackInfo& pack, std::span<const format::ChunkLocation> entries) {
  PackFinding finding;
  const std::string key = vault::pack_key(static_cast<vault::PackKind>(pack.kind), domain_.id(),
                                          vault::AuthorId{pack.author}, pack.id);
  const ByteView whole = TRY(read(key, pack.size_bytes, finding));
  Status good = check_whole(pack, whole);
  if (!good && vault_.store().examine(key, store::Repair::write_back)) {
    TRY_DO(read(key, pack.size_bytes, finding));
    good = check_whole(pack, whole);
  }
  if (!good) finding.error = std::move(good.error());
  auto headers = reader_->open_contents(pack, whole);
  if (headers) {
    check_records(pack, whole, *headers, entries, finding);
  } else {
    if (!finding.error) finding.error = std::move(headers.error());
    check_entries(pack, whole, entries, finding);
  }
  return finding;
}

Status PackAuditor::check_whole(const format::PackInfo& pack, ByteView whole) {
  if (whole.size() < format::pack_size_bytes_min) return Error(ErrorCode::corrupt, "too short for a pack");
  const size_t signature_offset =
      whole.size() - format::pack_tail_size_bytes + format::PackHead::size_bytes;
  // One pass serves the signature, over all before it, and the name, over everything.
  crypto::Hasher hasher;
  hasher.update(whole.first(signature_offset));
  const crypto::Hash32 signed_hash = hasher.finalize();
  hasher.update(whole.subspan(signature_offset));
  if (ObjectId::from(hasher.finalize()) != pack.id) {
    return Error(ErrorCode::corrupt, "its bytes do not match its name");
  }
  const vault::Author* author = vault_.keyring().author(vault::AuthorId{pack.author});
  const ByteView signature = whole.subspan(signature_offset, crypto::signature_size_bytes);
  if (author == nullptr || (author->domain != 0 && author->domain != domain_.id()) ||
      !crypto::verify(author->public_key, vault::pack_signature_context, signed_hash, signature)) {
    return Error(ErrorCode::corrupt, "not signed by an author of this domain");
  }
  return {};
}

Status PackAuditor::check_record(const format::PackInfo& pack, ByteView record, const format::RecordHeader* expected) {
  const format::RecordHeader header = TRY(reader_->open_header(pack, record));
  if (expected != nullptr && !(header == *expected)) {
    return Error(ErrorCode::corrupt, "record: its header is not the one in the pack's contents");
  }
  if (header.kind == format::RecordKind::origin) {
    (void)TRY(reader_->open_origin(pack, record));
    return {};
  }
  if (can_read_content_ || header.kind == format::RecordKind::node) {
    (void)TRY(reader_->open(pack, record));
  } else if (header.kind == format::RecordKind::bundle) {
    (void)TRY(reader_->open_pieces(pack, header, record));
  }
  return {};
}

void PackAuditor::check_records(const format::PackInfo& pack, ByteView whole,
                                const std::vector<format::RecordHeader>& headers,
                                std::span<const format::ChunkLocation> entries, PackFinding& finding) {
  std::vector<uint32_t> offsets;
  offsets.reserve(headers.size());
  uint64_t offset = format::PackHead::size_bytes;
  for (const format::RecordHeader& header : headers) {
    const uint64_t size = format::record_size_bytes(header);
    offsets.push_back(static_cast<uint32_t>(offset));
    ++finding.record_count;
    Status good = check_record(pack, whole.subspan(offset, size), &header);
    if (!good) finding.records.push_back({static_cast<uint32_t>(offset), header.id, std::move(good.error())});
    offset += size;
  }
  for (const format::ChunkLocation& entry : entries) {
    const auto place = std::lower_bound(offsets.begin(), offsets.end(), entry.offset_bytes);
    if (place != offsets.end() && *place == entry.offset_bytes) {
      const format::RecordHeader& header = headers[static_cast<size_t>(place - offsets.begin())];
      if (format::short_id(header.id) == entry.id && format::record_size_bytes(header) == entry.size_bytes &&
          header.plain_size_bytes == entry.plain_size_bytes) {
        continue;
      }
    }
    finding.records.push_back(
        {entry.offset_bytes, {}, Error(ErrorCode::corrupt, "the index names a record that does not stand there")});
  }
}

void PackAuditor::check_entries(const format::PackInfo& pack, ByteView whole,
                                std::span<const format::ChunkLocation> entries, PackFinding& finding) {
  for (const format::ChunkLocation& entry : entries) {
    ++finding.record_count;
    const ByteView record = whole.subspan(entry.offset_bytes, entry.size_bytes);
    const auto header = reader_->open_header(pack, record);
    Status good = check_record(pack, record, nullptr);
    if (good && header && format::short_id(header->id) != entry.id) {
      good = Error(ErrorCode::corrupt, "another record stands where the index names one");
    }
    if (good) continue;
    finding.records.push_back(
        {entry.offset_bytes, header ? std::optional(header->id) : std::nullopt, std::move(good.error())});
  }
}

}  // namespace holdfast::job
