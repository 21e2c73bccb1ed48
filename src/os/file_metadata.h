// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "os/directory.h"
#include "os/fd.h"

// What Linux knows of a file besides its bytes. Nothing here waits for a FIFO's other end or touches access times.
namespace holdfast::os {

struct Timestamp {
  int64_t seconds = 0;
  uint32_t nanoseconds = 0;
  friend auto operator<=>(const Timestamp&, const Timestamp&) = default;
};

struct FileStatus {
  uint64_t device = 0;       // Of the file system it lies on; not stable across mounts.
  uint64_t inode = 0;
  uint64_t size_bytes = 0;
  uint64_t allocated_bytes = 0;
  uint32_t mode = 0;         // Type and permissions, as st_mode.
  uint32_t user_id = 0;
  uint32_t group_id = 0;
  uint32_t link_count = 0;
  uint32_t device_major = 0;  // Of a device node.
  uint32_t device_minor = 0;
  bool immutable = false;
  bool append_only = false;
  bool no_dump = false;
  bool mount_root = false;    // Where the kernel tells.
  Timestamp modified;
  Timestamp changed;
};

// statx(2) with AT_STATX_DONT_SYNC: network file systems answer from what they have cached.
Result<FileStatus> status_at(int dir_fd, PathArg name, FollowLinks follow);
Result<FileStatus> status_of(int fd);

// Opens a file for reading its bytes: never follows a symlink, never blocks, leaves the access time alone where that
// is permitted. `not_found` if the name is missing or is a symlink now.
Result<Fd> open_for_backup_at(int dir_fd, PathArg name);

Result<Bytes> read_link_at(int dir_fd, PathArg name);

struct Xattr {
  std::string name;
  Bytes value;
};
// Sorted by name. Empty where the file system has none. Beyond `size_bytes_max` of names and values: `unsupported`.
Result<std::vector<Xattr>> read_xattrs(int fd, size_t size_bytes_max);
// Of any kind of file, symlinks among them, without opening it. Needs /proc.
Result<std::vector<Xattr>> read_xattrs_at(int dir_fd, PathArg name, size_t size_bytes_max);

// Where data and holes are (SEEK_DATA, SEEK_HOLE); both answer `size_bytes` if nothing comes before it.
Result<uint64_t> seek_data(int fd, uint64_t offset_bytes, uint64_t size_bytes);
Result<uint64_t> seek_hole(int fd, uint64_t offset_bytes, uint64_t size_bytes);

// The machine's name for a number; empty if it has none. Asks the name service: callers cache.
std::string user_name_of(uint32_t user_id);
std::string group_name_of(uint32_t group_id);

// How many descriptors this process may have open at once.
uint64_t open_file_count_max();

// How many processors this process may run on.
unsigned processor_count();

}  // namespace holdfast::os
