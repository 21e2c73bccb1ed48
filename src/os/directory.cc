// SPDX-License-Identifier: Apache-2.0
#include "os/directory.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <climits>
#include <cstring>

#include "os/errno_error.h"
#include "os/reading.h"

namespace holdfast::os {
namespace {

// Large: a directory of a million entries takes 150 calls instead of 1200.
constexpr size_t block_size_bytes = 256 * 1024;

// Offsets into the names are 32 bits.
constexpr size_t text_size_bytes_max = UINT32_MAX - 64 * 1024;

// The kernel's record (getdents64(2)).
struct Record {
  uint64_t inode;
  int64_t offset;
  uint16_t size_bytes;
  uint8_t type;
  char name[];
};

uint64_t prefix_of(const char* name, size_t size) {
  uint64_t prefix = 0;
  std::memcpy(&prefix, name, std::min<size_t>(size, sizeof prefix));
  return __builtin_bswap64(prefix);
}

}  // namespace

void DirectoryNames::add(const char* name, size_t size) {
  const size_t offset = text_.size();
  text_.resize(offset + size + 1);
  std::memcpy(text_.data() + offset, name, size + 1);
  names_.push_back({prefix_of(name, size), static_cast<uint32_t>(offset), static_cast<uint32_t>(size)});
}

void DirectoryNames::sort() {
  std::sort(names_.begin(), names_.end(), [this](const Name& a, const Name& b) {
    if (a.prefix != b.prefix) return a.prefix < b.prefix;
    const size_t common = std::min(a.size, b.size);
    const int order = std::memcmp(text_.data() + a.offset, text_.data() + b.offset, common);
    return order != 0 ? order < 0 : a.size < b.size;
  });
  // A directory that changes under the reader may show a name twice.
  const auto same = [this](const Name& a, const Name& b) {
    return a.size == b.size && std::memcmp(text_.data() + a.offset, text_.data() + b.offset, a.size) == 0;
  };
  names_.erase(std::unique(names_.begin(), names_.end(), same), names_.end());
}

Status DirectoryNames::read_blocks(int dir_fd) {
  if (lseek(dir_fd, 0, SEEK_SET) < 0) return errno_error(errno, "rewind directory");
  while (true) {
    const int failed = read_point({.op = Reading::list, .fd = dir_fd});
    if (failed > 0) errno = failed;
    const long size = failed > 0 ? -1 : syscall(SYS_getdents64, dir_fd, buffer_.data(), buffer_.size());
    if (size == 0) return {};
    if (size < 0) {
      if (errno == EINTR) continue;
      if (errno == ENOENT) return {};  // Removed while it was read: there is nothing in it.
      return errno_error(errno, "read directory");
    }
    for (long at = 0; at < size;) {
      const auto* record = reinterpret_cast<const Record*>(buffer_.data() + at);
      const char* name = record->name;
      const bool self_or_parent = name[0] == '.' && (name[1] == 0 || (name[1] == '.' && name[2] == 0));
      if (!self_or_parent) {
        if (text_.size() > text_size_bytes_max) return Error(ErrorCode::unsupported, "directory of 4 GiB of names");
        add(name, std::strlen(name));
      }
      at += record->size_bytes;
    }
  }
}

Status DirectoryNames::read(int dir_fd) {
  if (buffer_.size() == 0) buffer_ = AlignedBuffer(block_size_bytes);
  text_.clear();
  names_.clear();
  Status status = read_blocks(dir_fd);
  sort();
  return status;
}

bool DirectoryNames::contains(std::string_view wanted) const {
  size_t low = 0, high = count();
  while (low < high) {
    const size_t middle = (low + high) / 2;
    if (name(middle) < wanted) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low < count() && name(low) == wanted;
}

Result<Fd> open_directory_at(int dir_fd, PathArg name, FollowLinks follow) {
  int flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NONBLOCK | O_NOATIME;
  if (follow == FollowLinks::no) flags |= O_NOFOLLOW;
  while (true) {
    const int failed = read_point({.op = Reading::open, .path = name.c_str()});
    const int fd = failed > 0 ? -1 : openat(dir_fd, name.c_str(), flags);
    if (fd >= 0) return Fd(fd);
    if (failed > 0) errno = failed;
    if (errno == EINTR) continue;
    if (errno == EPERM && (flags & O_NOATIME) != 0) {
      flags &= ~O_NOATIME;  // Only the owner may leave the access time alone.
      continue;
    }
    // A symlink or file in its place: what was to be opened is gone.
    if (errno == ENOTDIR || errno == ELOOP) errno = ENOENT;
    return errno_error(errno, "open directory", name.c_str());
  }
}

Result<std::string> working_directory() {
  std::string path(PATH_MAX, 0);
  if (getcwd(path.data(), path.size()) == nullptr) return errno_error(errno, "get working directory");
  path.resize(std::strlen(path.c_str()));
  return path;
}

}  // namespace holdfast::os
