// SPDX-License-Identifier: Apache-2.0
#include "store/archive/archive_store.h"

#include <array>
#include <vector>

#include "base/byte_io.h"
#include "base/newer.h"
#include "crypto/hash.h"
#include "os/file.h"
#include "store/key.h"

namespace holdfast::store {

namespace {

constexpr std::string_view head_magic = "HFarchive v1\n\0\0\0";
constexpr std::string_view tail_magic = "HFarchive end 1\n";
constexpr size_t head_size_bytes = 16;
// index offset 8 | index size 8 | hash of the index 32 | magic 16
constexpr size_t tail_size_bytes = 8 + 8 + 32 + 16;
constexpr uint64_t index_size_bytes_max = 1 << 30;

bool is_head(ByteView bytes) { return as_text(bytes).starts_with("HFarchive v1\n"); }

Bytes encode_tail(uint64_t index_offset_bytes, ByteView index) {
  Bytes tail;
  ByteWriter out(tail);
  out.fixed(index_offset_bytes);
  out.fixed(static_cast<uint64_t>(index.size()));
  out.raw(crypto::hash(index));
  out.raw(as_bytes(tail_magic));
  return tail;
}

}  // namespace

Result<std::unique_ptr<ArchiveStore>> ArchiveStore::create_file(const std::string& path) {
  if (os::stat_at(os::at_cwd, path)) return Error(ErrorCode::conflict, path + " exists");
  os::Fd file = TRY(os::open(path + ".part", {.access = os::Access::read_write, .create = true, .exclusive = true}));
  std::unique_ptr<ArchiveStore> store(new ArchiveStore(path, std::move(file)));
  const MutexLock lock(store->mutex_);
  store->is_writable_ = true;
  Bytes head = to_bytes(head_magic);
  head.resize(head_size_bytes, std::byte{0});
  TRY_DO(os::pwrite_full(store->file_.get(), head, 0));
  store->end_bytes_ = head_size_bytes;
  return store;
}

Result<std::unique_ptr<ArchiveStore>> ArchiveStore::open(const std::string& path) {
  os::Fd file = TRY(os::open(path, {}));
  std::unique_ptr<ArchiveStore> store(new ArchiveStore(path, std::move(file)));
  TRY_DO(store->load_index());
  return store;
}

ArchiveStore::~ArchiveStore() {
  const MutexLock lock(mutex_);
  if (is_writable_) os::unlink_at(os::at_cwd, temporary_path()).ignore("it has no name of its own yet");
}

Status ArchiveStore::load_index() {
  const auto broken = [&](std::string_view why) {
    return Error(ErrorCode::corrupt, path_ + ": " + std::string(why));
  };
  const os::FileStat about = TRY(os::stat_fd(file_.get()));
  std::array<std::byte, head_size_bytes> head{};
  const bool has_head = about.kind == os::FileKind::file && about.size_bytes >= head_size_bytes + tail_size_bytes &&
                        TRY(os::pread_full(file_.get(), head, 0)) == head.size();
  if (has_head && !is_head(head) && as_text(head).starts_with("HFarchive v")) return made_by_newer(path_);
  if (!has_head || !is_head(head)) {
    return broken("not an archive of Holdfast").with_hint(
        "A vault is a folder, a URL, or a file that 'holdfast export --archive' wrote.");
  }
  std::array<std::byte, tail_size_bytes> tail{};
  const uint64_t tail_offset = about.size_bytes - tail_size_bytes;
  if (TRY(os::pread_full(file_.get(), tail, tail_offset)) != tail.size()) return broken("truncated");
  ByteReader in(tail);
  const uint64_t index_offset = in.fixed<uint64_t>(), index_size = in.fixed<uint64_t>();
  const ByteView hash = in.raw(32);
  if (as_text(in.rest()) != tail_magic || index_size > index_size_bytes_max || index_offset < head_size_bytes ||
      index_offset > tail_offset || index_size != tail_offset - index_offset) {
    return broken("not a whole archive");
  }
  Bytes index(index_size);
  if (TRY(os::pread_full(file_.get(), index, index_offset)) != index.size() || !equal(crypto::hash(index), hash)) {
    return broken("its index is damaged");
  }
  const MutexLock lock(mutex_);
  ByteReader entries(index);
  for (uint64_t left = entries.varint(); left > 0 && entries.ok(); --left) {
    const std::string key(as_text(entries.string()));
    const Range range{.offset_bytes = entries.varint(), .size_bytes = entries.varint()};
    if (range.offset_bytes > index_offset || range.size_bytes > index_offset - range.offset_bytes ||
        !check_key(key)) {
      return broken("its index is damaged");
    }
    objects_[key] = range;
  }
  end_bytes_ = about.size_bytes;
  return entries.finish(path_ + ": index");
}

Status ArchiveStore::finish() {
  const MutexLock lock(mutex_);
  if (!is_writable_) return Error(ErrorCode::invalid, path_ + " is finished already");
  Bytes index;
  ByteWriter out(index);
  out.varint(objects_.size());
  for (const auto& [key, range] : objects_) {
    out.string(key);
    out.varint(range.offset_bytes);
    out.varint(range.size_bytes);
  }
  const Bytes tail = encode_tail(end_bytes_, index);
  TRY_DO(os::pwrite_full(file_.get(), index, end_bytes_));
  TRY_DO(os::pwrite_full(file_.get(), tail, end_bytes_ + index.size()));
  TRY_DO(os::sync_all(file_.get()));
  TRY_DO(os::rename_new_at(os::at_cwd, temporary_path(), os::at_cwd, path_));
  is_writable_ = false;
  const size_t slash = path_.rfind('/');
  const std::string folder = slash == std::string::npos ? "." : path_.substr(0, slash + 1);
  return os::sync_directory_at(os::at_cwd, folder);
}

std::string ArchiveStore::describe() const { return path_; }
Capabilities ArchiveStore::capabilities() const { return {.atomic_create = true, .locks = false}; }

Status ArchiveStore::create(std::string_view key, std::span<const ByteView> parts) {
  TRY_DO(check_key(key));
  const MutexLock lock(mutex_);
  if (!is_writable_) return Error(ErrorCode::refused, path_ + " can only be read");
  if (objects_.contains(key)) return Error(ErrorCode::conflict, std::string(key) + " exists");
  Range range{.offset_bytes = end_bytes_, .size_bytes = 0};
  for (const ByteView part : parts) {
    TRY_DO(os::pwrite_full(file_.get(), part, range.offset_bytes + range.size_bytes));
    range.size_bytes += part.size();
  }
  end_bytes_ += range.size_bytes;
  objects_.emplace(key, range);
  return {};
}

Result<Range> ArchiveStore::find(std::string_view key) {
  TRY_DO(check_key(key));
  const MutexLock lock(mutex_);
  const auto found = objects_.find(key);
  if (found == objects_.end()) return Error(ErrorCode::not_found, path_ + " holds no " + std::string(key));
  return found->second;
}

Result<Bytes> ArchiveStore::get(std::string_view key, std::optional<Range> range) {
  const Range whole = TRY(find(key));
  const Range wanted = range.value_or(Range{0, whole.size_bytes});
  if (wanted.offset_bytes > whole.size_bytes || wanted.size_bytes > whole.size_bytes - wanted.offset_bytes) {
    return Error(ErrorCode::corrupt, std::string(key) + " is shorter than asked");
  }
  Bytes bytes(wanted.size_bytes);
  TRY_DO(read(key, wanted.offset_bytes, bytes));
  return bytes;
}

Status ArchiveStore::read(std::string_view key, uint64_t offset_bytes, MutableByteView out) {
  const Range whole = TRY(find(key));
  if (offset_bytes > whole.size_bytes || out.size() > whole.size_bytes - offset_bytes ||
      TRY(os::pread_full(file_.get(), out, whole.offset_bytes + offset_bytes)) != out.size()) {
    return Error(ErrorCode::corrupt, std::string(key) + " is shorter than asked");
  }
  return {};
}

Result<ObjectInfo> ArchiveStore::stat(std::string_view key) {
  const Range whole = TRY(find(key));
  return ObjectInfo{.key = std::string(key), .size_bytes = whole.size_bytes};
}

Status ArchiveStore::list(std::string_view prefix, std::string_view after,
                          const std::function<Status(const ObjectInfo&)>& visit) {
  TRY_DO(check_prefix(prefix));
  std::vector<ObjectInfo> found;
  {
    const MutexLock lock(mutex_);
    auto at = after < prefix ? objects_.lower_bound(prefix) : objects_.upper_bound(after);
    for (; at != objects_.end() && at->first.starts_with(prefix); ++at) {
      found.push_back({.key = at->first, .size_bytes = at->second.size_bytes});
    }
  }
  for (const ObjectInfo& object : found) TRY_DO(visit(object));
  return {};
}

Status ArchiveStore::remove(std::string_view key) {
  (void)TRY(find(key));
  return Error(ErrorCode::refused, "nothing can be removed from an archive");
}

Result<std::unique_ptr<StoreLock>> ArchiveStore::try_lock(LockMode) {
  return Error(ErrorCode::unsupported, path_ + " has no locks");
}

}  // namespace holdfast::store
