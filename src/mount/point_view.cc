// SPDX-License-Identifier: Apache-2.0
#include "mount/point_view.h"

#include <algorithm>
#include <cstring>

#include "tree/content_list.h"
#include "tree/tree.h"

namespace holdfast::mount {

namespace {

constexpr uint32_t plain_folder_mode = 0755;

// A folder's descendants begin here.
Bytes first_beneath(ByteView folder) {
  Bytes key = to_bytes(folder);
  if (!key.empty()) key.push_back(std::byte{0});
  return key;
}

// The first key after `child` and all that lies beneath it.
Bytes after_subtree(ByteView child) {
  Bytes key = to_bytes(child);
  key.push_back(std::byte{1});
  return key;
}

bool starts_with(ByteView key, ByteView prefix) {
  return key.size() >= prefix.size() && equal(key.first(prefix.size()), prefix);
}

// The part of `key`, which begins with `prefix`, up to the end of the next component.
ByteView child_of(ByteView key, size_t prefix_size_bytes) {
  const auto end = std::find(key.begin() + static_cast<ptrdiff_t>(prefix_size_bytes), key.end(), std::byte{0});
  return key.first(static_cast<size_t>(end - key.begin()));
}

}  // namespace

Result<Bytes> DomainReaders::Reader::get(const ChunkId& id) {
  if (const auto kept = node_cache.find(id)) return to_bytes(ByteView(*kept));
  Bytes node = TRY(nodes.get(id));
  node_cache.put(id, std::make_shared<const Bytes>(node));
  return node;
}

tree::Cursor& DomainReaders::Reader::cursor(const tree::Root& root) {
  if (!cursor_ || cursor_root_ != root) {
    cursor_root_ = root;
    cursor_.emplace(*this, root);
  }
  return *cursor_;
}

job::BucketFiles& DomainReaders::Reader::bucket_files(const vault::PointInfo& point) {
  if (!bucket_files_ || bucket_ != point.id) {
    bucket_ = point.id;
    bucket_files_.emplace(*this, point);
  }
  return *bucket_files_;
}

DomainReaders::Loan DomainReaders::lend() {
  {
    const MutexLock lock(mutex_);
    if (!idle_.empty()) {
      Loan loan(idle_.back().release(), Return{this});
      idle_.pop_back();
      return loan;
    }
  }
  return Loan(new Reader(vault_, domain_, nodes_), Return{this});
}

void DomainReaders::give_back(Reader* reader) {
  const MutexLock lock(mutex_);
  idle_.emplace_back(reader);
}

Result<std::shared_ptr<const Bytes>> DomainReaders::block(Reader& reader, const ChunkId& id, bool is_piece) {
  if (auto kept = blocks_.find(id)) return kept;
  auto block = std::make_shared<const Bytes>(TRY(reader.fetcher.get(id, is_piece)));
  blocks_.put(id, block);
  return block;
}

job::PathEntry PointView::plain_folder(ByteView key) const {
  job::PathEntry folder;
  folder.key = to_bytes(key);
  folder.attributes.type = format::FileType::directory;
  folder.attributes.mode = plain_folder_mode;
  const UnixTimeNs begun = std::max<UnixTimeNs>(point_.point.begun, 0);
  folder.attributes.modified = {.seconds = begun / 1'000'000'000,
                                .nanoseconds = static_cast<uint32_t>(begun % 1'000'000'000)};
  return folder;
}

Result<std::optional<job::PathEntry>> PointView::look_up(ByteView key) {
  const auto reader = readers_.lend();
  if (job::is_bucket(point_)) return reader->bucket_files(point_).look_up(key);
  tree::Cursor& cursor = reader->cursor(job::to_root(point_.point.entries));
  TRY_DO(cursor.seek(key));
  if (cursor.valid() && equal(cursor.entry().key, key)) {
    return std::optional(TRY(job::decode_path_entry(key, cursor.entry().value)));
  }
  if (key.empty()) return std::optional(plain_folder(key));
  const Bytes beneath = first_beneath(key);
  TRY_DO(cursor.seek(beneath));
  if (cursor.valid() && starts_with(cursor.entry().key, beneath)) return std::optional(plain_folder(key));
  return std::optional<job::PathEntry>();
}

Status PointView::list(ByteView folder, const std::optional<Bytes>& after,
                       const std::function<Result<bool>(const job::PathEntry&)>& visit) {
  const auto reader = readers_.lend();
  if (job::is_bucket(point_)) return reader->bucket_files(point_).list(folder, after, visit);
  tree::Cursor& cursor = reader->cursor(job::to_root(point_.point.entries));
  const Bytes prefix = first_beneath(folder);
  TRY_DO(cursor.seek(after ? after_subtree(*after) : prefix));
  // The root's own entry has the empty key, which every key begins with.
  if (cursor.valid() && cursor.entry().key.empty()) TRY_DO(cursor.next());
  while (cursor.valid() && starts_with(cursor.entry().key, prefix)) {
    const Bytes child = to_bytes(child_of(cursor.entry().key, prefix.size()));
    const bool is_entry = child.size() == cursor.entry().key.size();
    const job::PathEntry entry =
        is_entry ? TRY(job::decode_path_entry(child, cursor.entry().value)) : plain_folder(child);
    if (!TRY(visit(entry))) return {};
    if (is_entry) TRY_DO(cursor.next());
    // Whatever lies in the child is skipped without reading it.
    const Bytes beneath = first_beneath(child);
    if (cursor.valid() && starts_with(cursor.entry().key, beneath)) TRY_DO(cursor.seek(after_subtree(child)));
  }
  return {};
}

Result<size_t> PointView::read(const format::Content& content, uint64_t offset_bytes, MutableByteView out) {
  const uint64_t size_bytes = format::content_size_bytes(content);
  if (offset_bytes >= size_bytes) return size_t{0};
  const auto wanted = static_cast<size_t>(std::min<uint64_t>(out.size(), size_bytes - offset_bytes));
  const auto reader = readers_.lend();
  const auto* piece = std::get_if<format::ContentPiece>(&content);
  if (piece == nullptr) return read_extents(*reader, content, offset_bytes, out.first(wanted));
  const auto block = TRY(readers_.block(*reader, piece->piece, true));
  if (block->size() < size_bytes) return Error(ErrorCode::corrupt, "a piece is shorter than its entry says");
  std::memcpy(out.data(), block->data() + offset_bytes, wanted);
  return wanted;
}

Result<size_t> PointView::read_extents(DomainReaders::Reader& reader, const format::Content& content,
                                       uint64_t offset_bytes, MutableByteView out) {
  tree::ContentReader extents(reader, content);
  TRY_DO(extents.seek(offset_bytes));
  size_t done = 0;
  while (done < out.size()) {
    if (!extents.valid()) return Error(ErrorCode::corrupt, "a content ends before its size");
    const format::Extent& extent = extents.extent();
    const uint64_t within = offset_bytes + done - extents.offset_bytes();
    const auto room = [&](uint64_t left) { return static_cast<size_t>(std::min<uint64_t>(left, out.size() - done)); };
    if (extent.kind != format::ExtentKind::chunk) {
      const size_t size = room(extent.size_bytes() - within);
      std::memset(out.data() + done, 0, size);
      done += size;
    } else {
      const auto block = TRY(readers_.block(reader, extent.chunk, false));
      const uint64_t skip = within % extent.chunk_size_bytes;
      if (block->size() != extent.chunk_size_bytes) {
        return Error(ErrorCode::corrupt, "a chunk has another length than the content says");
      }
      const size_t size = room(extent.chunk_size_bytes - skip);
      std::memcpy(out.data() + done, block->data() + skip, size);
      done += size;
    }
    if (offset_bytes + done == extents.offset_bytes() + extent.size_bytes()) TRY_DO(extents.next());
  }
  return done;
}

Result<std::optional<uint64_t>> PointView::seek(const format::Content& content, uint64_t offset_bytes, Seek what) {
  const uint64_t size_bytes = format::content_size_bytes(content);
  if (offset_bytes >= size_bytes) return std::optional<uint64_t>();
  if (std::holds_alternative<format::ContentPiece>(content)) {
    return std::optional(what == Seek::data ? offset_bytes : size_bytes);
  }
  const auto reader = readers_.lend();
  tree::ContentReader extents(*reader, content);
  TRY_DO(extents.seek(offset_bytes));
  while (extents.valid()) {
    const bool is_hole = extents.extent().kind == format::ExtentKind::hole;
    if (is_hole == (what == Seek::hole)) return std::optional(std::max(offset_bytes, extents.offset_bytes()));
    TRY_DO(extents.next());
  }
  return what == Seek::hole ? std::optional(size_bytes) : std::optional<uint64_t>();
}

}  // namespace holdfast::mount
