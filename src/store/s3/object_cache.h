// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/mutex.h"
#include "os/mapped_file.h"

namespace holdfast::store {

// Whole objects in a folder of this machine, for a store that is far away. It holds what the store holds, ciphertext
// that readers check as they check the store's, and may lose anything at any time: nothing here fails, it only finds or
// does not. A copy that was damaged on the disk is not found. Thread-safe, also against other processes.
//
// Each copy has a tag, the server's name for these very bytes: a copy is found under its own tag only, so that a store
// that was replaced by another of the same keys does not show its old contents. Names made of the contents' hash need
// none.
class ObjectCache {
 public:
  // Two generations: when the younger has grown to half of `size_bytes_max`, it takes the older one's place. What is
  // found in the older moves to the younger.
  ObjectCache(std::string folder, uint64_t size_bytes_max)
      : folder_(std::move(folder)), size_bytes_max_(size_bytes_max) {}

  std::optional<Bytes> get(std::string_view key, std::string_view tag) EXCLUDES(mutex_);
  // Fills `out` from `offset_bytes` on; false if there is no copy or it is shorter.
  bool read(std::string_view key, std::string_view tag, uint64_t offset_bytes, MutableByteView out) EXCLUDES(mutex_);
  void put(std::string_view key, std::string_view tag, std::span<const ByteView> parts) EXCLUDES(mutex_);

 private:
  struct Copy {
    os::MappedFile file;
    ByteView bytes;  // Within the file.
  };
  using CopyPointer = std::shared_ptr<const Copy>;  // Shared by readers and the list of those that are open.

  CopyPointer find(std::string_view key, std::string_view tag) EXCLUDES(mutex_);
  CopyPointer open_copy(const std::string& name, std::string_view key, std::string_view tag) const;
  void make_room(uint64_t size_bytes) REQUIRES_LOCK(mutex_);
  std::string path(std::string_view generation, const std::string& name) const;

  const std::string folder_;
  const uint64_t size_bytes_max_;
  Mutex mutex_;
  std::map<std::string, CopyPointer> open_ GUARDED_BY(mutex_);  // Checked already; by name.
  std::optional<uint64_t> young_size_bytes_ GUARDED_BY(mutex_);
};

}  // namespace holdfast::store
