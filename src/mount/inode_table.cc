// SPDX-License-Identifier: Apache-2.0
#include "mount/inode_table.h"

#include <cstring>

#include "base/byte_io.h"
#include "crypto/hash.h"

namespace holdfast::mount {

uint64_t InodeTable::number_of(const ObjectId& point, ByteView key, uint64_t link_group) {
  Bytes name;
  ByteWriter out(name);
  out.raw(point.view());
  out.varint(link_group);
  if (link_group == 0) out.raw(key);
  const crypto::Hash32 hash = crypto::hash(name);
  uint64_t number = 0;
  std::memcpy(&number, hash.data(), sizeof number);
  // The highest bit stays clear for programs that take inode numbers as signed.
  return (number & (INT64_MAX >> 1)) | first_entry_inode;
}

uint64_t InodeTable::remember(uint32_t point, const ObjectId& point_id, ByteView key, uint64_t link_group) {
  uint64_t inode = number_of(point_id, key, link_group);
  const MutexLock lock(mutex_);
  for (;; ++inode) {
    const auto [place, is_new] = held_.try_emplace(inode);
    Held& held = place->second;
    if (is_new) held = {.name = {.point = point, .key = to_bytes(key)}, .link_group = link_group, .lookup_count = 0};
    const bool same_file = held.name.point == point && held.link_group == link_group &&
                           (link_group != 0 || equal(held.name.key, key));
    if (!same_file) continue;  // Two names with one hash: the later one gets the next number.
    ++held.lookup_count;
    return inode;
  }
}

void InodeTable::forget(uint64_t inode, uint64_t lookup_count) {
  const MutexLock lock(mutex_);
  const auto found = held_.find(inode);
  if (found == held_.end()) return;
  if (found->second.lookup_count <= lookup_count) {
    held_.erase(found);
  } else {
    found->second.lookup_count -= lookup_count;
  }
}

std::optional<EntryName> InodeTable::find(uint64_t inode) {
  const MutexLock lock(mutex_);
  const auto found = held_.find(inode);
  if (found == held_.end()) return std::nullopt;
  return found->second.name;
}

size_t InodeTable::size() {
  const MutexLock lock(mutex_);
  return held_.size();
}

}  // namespace holdfast::mount
