// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <unordered_map>

#include "base/bytes.h"
#include "base/hash_id.h"
#include "base/mutex.h"

namespace holdfast::mount {

// Numbers from here on are of names in points; below it are the folders above them.
inline constexpr uint64_t first_entry_inode = uint64_t{1} << 32;

// What a number stands for.
struct EntryName {
  uint32_t point = 0;  // Place in the list of points.
  Bytes key;
};

// Which names the kernel holds, by the inode numbers they were given. A number is the hash of point and key, or of
// point and link group, so that it is the same in every mount and for all names of a file. Holds only what the kernel
// has not forgotten. Any thread.
class InodeTable {
 public:
  // The number a name has, without the kernel holding it.
  static uint64_t number_of(const ObjectId& point, ByteView key, uint64_t link_group);

  // Counts one look-up of the name and yields its number.
  uint64_t remember(uint32_t point, const ObjectId& point_id, ByteView key, uint64_t link_group) EXCLUDES(mutex_);
  void forget(uint64_t inode, uint64_t lookup_count) EXCLUDES(mutex_);
  std::optional<EntryName> find(uint64_t inode) EXCLUDES(mutex_);
  size_t size() EXCLUDES(mutex_);

 private:
  struct Held {
    EntryName name;
    uint64_t link_group = 0;
    uint64_t lookup_count = 0;
  };
  Mutex mutex_;
  std::unordered_map<uint64_t, Held> held_ GUARDED_BY(mutex_);
};

}  // namespace holdfast::mount
