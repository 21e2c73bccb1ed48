// SPDX-License-Identifier: Apache-2.0
#include "vault/index_table_file.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <thread>

#include "base/byte_io.h"
#include "base/check.h"

namespace holdfast::vault {

namespace {

constexpr std::string_view magic = "HFtable\n";
constexpr uint32_t table_version = 1;
constexpr size_t header_size_bytes = 8 + 4 + 4 + 4 + 4 + 32 + 32 + 4 * 8;
constexpr size_t segment_row_size_bytes = 32 + 3 * 8;
constexpr size_t pack_size_bytes = format::pack_row_size_bytes + 4;
constexpr size_t alignment_bytes = 64;
// Each part has a MAC of its own, so that several cores can check one file.
constexpr uint64_t part_size_bytes = 8 << 20;
constexpr size_t mac_size_bytes = crypto::hash_size_bytes;
constexpr uint64_t count_max = UINT32_MAX;
constexpr unsigned checker_count_max = 4;

uint64_t aligned(uint64_t size_bytes) { return (size_bytes + alignment_bytes - 1) / alignment_bytes * alignment_bytes; }

struct Header {
  DomainId domain = 0;
  Epoch epoch = 0;
  VaultId vault;
  std::array<std::byte, 32> salt{};
  uint64_t segment_count = 0, pack_count = 0, chunk_count = 0, piece_count = 0;
};

// Where things stand, in order.
struct Layout {
  explicit Layout(const Header& header)
      : packs(header_size_bytes + header.segment_count * segment_row_size_bytes),
        chunks(aligned(packs + header.pack_count * pack_size_bytes)),
        pieces(chunks + header.chunk_count * format::chunk_row_size_bytes),
        chunk_filter(aligned(pieces + header.piece_count * format::piece_row_size_bytes)),
        piece_filter(chunk_filter + IndexFilter::size_bytes(header.chunk_count)),
        macs(piece_filter + IndexFilter::size_bytes(header.piece_count)),
        part_count((macs + part_size_bytes - 1) / part_size_bytes),
        end(macs + part_count * mac_size_bytes) {}
  uint64_t packs, chunks, pieces, chunk_filter, piece_filter, macs, part_count, end;
};

Bytes encode_header(const Header& header) {
  Bytes bytes = to_bytes(magic);
  ByteWriter out(bytes);
  out.fixed(table_version);
  out.fixed(header.domain);
  out.fixed(header.epoch);
  out.fixed(uint32_t{0});
  out.raw(header.vault.view());
  out.raw(header.salt);
  out.fixed(header.segment_count);
  out.fixed(header.pack_count);
  out.fixed(header.chunk_count);
  out.fixed(header.piece_count);
  CHECK(bytes.size() == header_size_bytes);
  return bytes;
}

Result<Header> decode_header(ByteView bytes) {
  ByteReader in(bytes);
  const ByteView begin = in.raw(magic.size());
  const uint32_t version = in.fixed<uint32_t>();
  Header header;
  header.domain = in.fixed<uint32_t>();
  header.epoch = in.fixed<uint32_t>();
  (void)in.fixed<uint32_t>();
  const ByteView vault = in.raw(32), salt = in.raw(32);
  for (uint64_t* count : {&header.segment_count, &header.pack_count, &header.chunk_count, &header.piece_count}) {
    *count = in.fixed<uint64_t>();
    if (*count > count_max) return Error(ErrorCode::corrupt, "index table: impossible counts");
  }
  if (!in.ok() || as_text(begin) != magic || version != table_version) {
    return Error(ErrorCode::corrupt, "index table: not one of this program version");
  }
  header.vault = VaultId::from(vault);
  std::copy(salt.begin(), salt.end(), header.salt.begin());
  return header;
}

crypto::Secret32 table_key(const crypto::Secret32& metadata_key, ByteView header) {
  const std::array<ByteView, 2> parts{metadata_key.view(), header};
  return crypto::derive_key("holdfast v1 local index table", parts);
}

// A part's MAC covers its number too: parts do not change places.
void begin_part(crypto::KeyedHasher& hasher, uint64_t number) {
  hasher.reset();
  hasher.update(std::as_bytes(std::span(&number, 1)));
}

bool is_authentic(ByteView bytes, const Layout& layout, const crypto::Secret32& key) {
  std::atomic<uint64_t> next = 0;
  std::atomic<bool> good = true;
  const auto check = [&] {
    crypto::KeyedHasher hasher(key);
    for (uint64_t part = next.fetch_add(1); part < layout.part_count && good; part = next.fetch_add(1)) {
      const uint64_t begin = part * part_size_bytes;
      begin_part(hasher, part);
      hasher.update(bytes.subspan(begin, std::min(part_size_bytes, layout.macs - begin)));
      const ByteView mac = bytes.subspan(layout.macs + part * mac_size_bytes, mac_size_bytes);
      if (!crypto::equal_constant_time(hasher.finalize(), mac)) good = false;
    }
  };
  const uint64_t helper_count =
      std::min<uint64_t>({layout.part_count, std::max(std::thread::hardware_concurrency(), 1u), checker_count_max}) - 1;
  std::vector<std::jthread> helpers;
  for (uint64_t helper = 0; helper < helper_count; ++helper) helpers.emplace_back(check);
  check();
  helpers.clear();
  return good;
}

// A table over bytes that are ours.
Result<TablePtr> table_over(os::MappedFile file, const Header& header) {
  const auto owner = std::make_shared<os::MappedFile>(std::move(file));
  const Layout layout(header);
  const ByteView bytes = owner->view();
  IndexTable::Parts parts;
  ByteReader in(bytes.subspan(header_size_bytes, layout.chunks - header_size_bytes));
  parts.segments.reserve(header.segment_count);
  for (uint64_t place = 0; place < header.segment_count; ++place) {
    TableSegment& segment = parts.segments.emplace_back();
    segment.id = ObjectId::from(in.raw(32));
    segment.order = in.fixed<uint64_t>();
    segment.chunk_count = in.fixed<uint64_t>();
    segment.piece_count = in.fixed<uint64_t>();
  }
  format::SegmentView::Rows rows;
  rows.packs.reserve(header.pack_count);
  parts.segment_of_pack.reserve(header.pack_count);
  for (uint64_t place = 0; place < header.pack_count; ++place) {
    rows.packs.push_back(TRY(format::read_pack_row(in)));
    parts.segment_of_pack.push_back(in.fixed<uint32_t>());
  }
  rows.chunks = bytes.subspan(layout.chunks, layout.pieces - layout.chunks);
  rows.pieces = bytes.subspan(layout.pieces, header.piece_count * format::piece_row_size_bytes);
  parts.view = format::SegmentView::over(std::move(rows));
  parts.chunk_filter = IndexFilter(bytes.subspan(layout.chunk_filter, layout.piece_filter - layout.chunk_filter));
  parts.piece_filter = IndexFilter(bytes.subspan(layout.piece_filter, layout.macs - layout.piece_filter));
  parts.owner = owner;
  if (owner->has_failed()) return Error(ErrorCode::io, "index table: the disk cannot read it");
  return IndexTable::make(std::move(parts));
}

}  // namespace

TableFileWriter::TableFileWriter(os::SealedFileWriter file, crypto::Secret32 key)
    : file_(std::move(file)), key_(std::move(key)), hasher_(key_) {}

Result<TableFileWriter> TableFileWriter::begin(os::SealedFileWriter file, const TableOwner& owner,
                                               const TableContents& contents, Rng& rng) {
  CHECK(contents.packs.size() == contents.segment_of_pack.size());
  if (contents.chunk_count > count_max || contents.piece_count > count_max) {
    return Error(ErrorCode::unsupported, "index table: more entries than it can hold");
  }
  const EpochKeys& epoch = owner.keys.current();
  Header header{.domain = owner.keys.domain,
                .epoch = epoch.epoch,
                .vault = owner.vault,
                .segment_count = contents.segments.size(),
                .pack_count = contents.packs.size(),
                .chunk_count = contents.chunk_count,
                .piece_count = contents.piece_count};
  rng.fill(header.salt);
  const Bytes head = encode_header(header);
  TableFileWriter writer(std::move(file), table_key(epoch.metadata_key, head));
  begin_part(writer.hasher_, 0);
  TRY_DO(writer.append(head));
  Bytes rows;
  ByteWriter out(rows);
  for (const TableSegment& segment : contents.segments) {
    out.raw(segment.id.view());
    out.fixed(segment.order);
    out.fixed(segment.chunk_count);
    out.fixed(segment.piece_count);
  }
  for (size_t pack = 0; pack < contents.packs.size(); ++pack) {
    write_pack_row(out, contents.packs[pack]);
    out.fixed(contents.segment_of_pack[pack]);
    if (rows.size() < (1u << 20)) continue;
    TRY_DO(writer.append(rows));
    rows.clear();
  }
  TRY_DO(writer.append(rows));
  TRY_DO(writer.pad());
  CHECK(writer.file_.size_bytes() == Layout(header).chunks);
  return writer;
}

Status TableFileWriter::append(ByteView bytes) {
  TRY_DO(file_.append(bytes));
  while (!bytes.empty()) {
    const auto size = static_cast<size_t>(std::min<uint64_t>(bytes.size(), part_size_bytes - part_size_bytes_));
    hasher_.update(bytes.first(size));
    part_size_bytes_ += size;
    bytes = bytes.subspan(size);
    if (part_size_bytes_ == part_size_bytes) close_part();
  }
  return {};
}

void TableFileWriter::close_part() {
  holdfast::append(macs_, hasher_.finalize());
  begin_part(hasher_, ++part_count_);
  part_size_bytes_ = 0;
}

Status TableFileWriter::pad() {
  constexpr std::array<std::byte, alignment_bytes> zeros{};
  return append(ByteView(zeros).first(static_cast<size_t>(aligned(file_.size_bytes()) - file_.size_bytes())));
}

Result<TablePtr> TableFileWriter::finish(ByteView chunk_filter, ByteView piece_filter) {
  TRY_DO(pad());
  TRY_DO(append(chunk_filter));
  TRY_DO(append(piece_filter));
  if (part_size_bytes_ > 0) close_part();
  TRY_DO(file_.append(macs_));
  // Not synced: what a power cut leaves of it does not authenticate.
  os::MappedFile file = TRY(file_.seal(os::SealedFileWriter::Durability::cache));
  const Header header = TRY(decode_header(file.view().first(header_size_bytes)));
  CHECK(file.view().size() == Layout(header).end);
  return table_over(std::move(file), header);
}

Result<TablePtr> open_table_file(os::MappedFile file, const TableOwner& owner) {
  const ByteView bytes = file.view();
  if (bytes.size() < header_size_bytes) return Error(ErrorCode::corrupt, "index table: truncated");
  const ByteView head = bytes.first(header_size_bytes);
  const Header header = TRY(decode_header(head));
  const EpochKeys* epoch = owner.keys.find(header.epoch);
  if (header.vault != owner.vault || header.domain != owner.keys.domain || epoch == nullptr) {
    return Error(ErrorCode::corrupt, "index table: made for another vault");
  }
  const Layout layout(header);
  if (bytes.size() != layout.end) return Error(ErrorCode::corrupt, "index table: truncated");
  file.expect(os::MappedFile::Pattern::sequential);
  if (!is_authentic(bytes, layout, table_key(epoch->metadata_key, head))) {
    return Error(ErrorCode::corrupt, "index table: damaged");
  }
  // Look-ups will touch few pages, here and there; but a merge reads all of them in order, and page by page that would
  // take a disk hours. The kernel tells the one from the other.
  file.expect(os::MappedFile::Pattern::unknown);
  file.release();
  return table_over(std::move(file), header);
}

}  // namespace holdfast::vault
