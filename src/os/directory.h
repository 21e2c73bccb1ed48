// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "os/fd.h"

// Directories of others, by descriptor, at the speed of the kernel. (Small directories of our own: os/file.h.)
namespace holdfast::os {

enum class FollowLinks : uint8_t { no, yes };

// The names of one directory, sorted by bytes, in one block of memory. Reused from directory to directory it
// allocates nothing once it has grown. Thread-compatible.
class DirectoryNames {
 public:
  // Replaces the contents by the names in `dir_fd`, without "." and "..", sorted; reads from its start. After an error
  // it holds the names read until then.
  Status read(int dir_fd);

  size_t count() const { return names_.size(); }
  // Ended by a zero byte that is not part of the view. Valid until the next read().
  std::string_view name(size_t index) const {
    const Name& entry = names_[index];
    return {text_.data() + entry.offset, entry.size};
  }
  // Whether `name` is among them.
  bool contains(std::string_view name) const;

 private:
  struct Name {
    uint64_t prefix;  // The first eight bytes, big-endian: decides most comparisons without touching the text.
    uint32_t offset;
    uint32_t size;
  };
  void add(const char* name, size_t size);
  void sort();
  Status read_blocks(int dir_fd);

  std::vector<char, UninitializedAllocator<char>> text_;
  std::vector<Name> names_;
  AlignedBuffer buffer_;
};

// Opens the directory `name` beneath `dir_fd` for listing, without touching its access time where that is permitted.
// `not_found` if it is missing or is no directory (any more).
Result<Fd> open_directory_at(int dir_fd, PathArg name, FollowLinks follow);

// The absolute path of the working directory.
Result<std::string> working_directory();

}  // namespace holdfast::os
