// SPDX-License-Identifier: Apache-2.0
#include "store/s3/object_cache.h"

#include <cstring>

#include "base/hash_id.h"
#include "crypto/hash.h"
#include "os/file.h"

// A copy's file is the hash of its size-prefixed key and tag and of the object, then the object. Its name is the hash
// of the key.
namespace holdfast::store {

namespace {

constexpr std::string_view young = "young";
constexpr std::string_view old = "old";
constexpr mode_t folder_mode = 0700;
constexpr size_t open_count_max = 256;

std::string name_of(std::string_view key) { return to_hex(ByteView(crypto::hash(as_bytes(key)))); }

void add_sized(crypto::Hasher& hasher, std::string_view text) {
  const uint64_t size = text.size();
  hasher.update({reinterpret_cast<const std::byte*>(&size), sizeof size});
  hasher.update(as_bytes(text));
}

crypto::Hash32 checksum(std::string_view key, std::string_view tag, std::span<const ByteView> parts) {
  crypto::Hasher hasher;
  add_sized(hasher, key);
  add_sized(hasher, tag);
  for (const ByteView part : parts) hasher.update(part);
  return hasher.finalize();
}

}  // namespace

std::string ObjectCache::path(std::string_view generation, const std::string& name) const {
  return folder_ + "/" + std::string(generation) + "/" + name;
}

ObjectCache::CopyPointer ObjectCache::open_copy(const std::string& name, std::string_view key,
                                                std::string_view tag) const {
  auto file = os::MappedFile::open(path(young, name));
  if (!file) {
    file = os::MappedFile::open(path(old, name));
    if (!file) return nullptr;
    os::rename_at(os::at_cwd, path(old, name), os::at_cwd, path(young, name)).ignore("it was found where it is");
  }
  const ByteView all = file->view();
  if (all.size() < crypto::hash_size_bytes) return nullptr;
  const ByteView bytes = all.subspan(crypto::hash_size_bytes);
  const crypto::Hash32 expected = checksum(key, tag, std::span(&bytes, 1));
  if (!equal(all.first(crypto::hash_size_bytes), expected)) return nullptr;
  auto copy = std::make_shared<Copy>();
  copy->file = std::move(*file);
  copy->bytes = bytes;
  return copy;
}

ObjectCache::CopyPointer ObjectCache::find(std::string_view key, std::string_view tag) {
  const std::string name = name_of(key);
  const std::string known = name + "/" + std::string(tag);
  {
    const MutexLock lock(mutex_);
    const auto found = open_.find(known);
    if (found != open_.end()) return found->second;
  }
  CopyPointer copy = open_copy(name, key, tag);
  if (copy == nullptr) return nullptr;
  const MutexLock lock(mutex_);
  if (open_.size() >= open_count_max) open_.clear();
  open_[known] = copy;
  return copy;
}

std::optional<Bytes> ObjectCache::get(std::string_view key, std::string_view tag) {
  const CopyPointer copy = find(key, tag);
  if (copy == nullptr) return std::nullopt;
  Bytes bytes = to_bytes(copy->bytes);
  if (copy->file.has_failed()) return std::nullopt;
  return bytes;
}

bool ObjectCache::read(std::string_view key, std::string_view tag, uint64_t offset_bytes, MutableByteView out) {
  const CopyPointer copy = find(key, tag);
  if (copy == nullptr || offset_bytes > copy->bytes.size() || out.size() > copy->bytes.size() - offset_bytes) {
    return false;
  }
  if (!out.empty()) std::memcpy(out.data(), copy->bytes.data() + offset_bytes, out.size());
  return !copy->file.has_failed();
}

void ObjectCache::make_room(uint64_t size_bytes) {
  if (!young_size_bytes_) {
    young_size_bytes_ = 0;
    const std::string folder = folder_ + "/" + std::string(young);
    const auto items = os::list_directory_at(os::at_cwd, folder);
    for (const os::DirectoryItem& item : items.value_or(std::vector<os::DirectoryItem>())) {
      const auto info = os::stat_at(os::at_cwd, path(young, item.name));
      if (info) *young_size_bytes_ += info->size_bytes;
    }
  }
  if (*young_size_bytes_ + size_bytes > size_bytes_max_ / 2) {
    const std::string older = folder_ + "/" + std::string(old);
    const auto items = os::list_directory_at(os::at_cwd, older);
    for (const os::DirectoryItem& item : items.value_or(std::vector<os::DirectoryItem>())) {
      os::unlink_at(os::at_cwd, path(old, item.name)).ignore("somebody else cleans up too");
    }
    os::remove_directory_at(os::at_cwd, older).ignore("there may be none");
    os::rename_at(os::at_cwd, folder_ + "/" + std::string(young), os::at_cwd, older).ignore("it is a cache");
    young_size_bytes_ = 0;
  }
  *young_size_bytes_ += size_bytes;
}

void ObjectCache::put(std::string_view key, std::string_view tag, std::span<const ByteView> parts) {
  uint64_t size_bytes = crypto::hash_size_bytes;
  for (const ByteView part : parts) size_bytes += part.size();
  if (size_bytes > size_bytes_max_ / 2) return;
  const std::string name = name_of(key);
  {
    const MutexLock lock(mutex_);
    make_room(size_bytes);
    if (!os::make_directories(folder_ + "/" + std::string(young), folder_mode)) return;
  }
  auto writer = os::SealedFileWriter::create(path(young, name));
  if (!writer) return;
  const crypto::Hash32 sum = checksum(key, tag, parts);
  if (!writer->append(sum)) return;
  for (const ByteView part : parts) {
    if (!writer->append(part)) return;
  }
  (void)writer->seal(os::SealedFileWriter::Durability::cache).has_value();
}

}  // namespace holdfast::store
