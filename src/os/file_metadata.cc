// SPDX-License-Identifier: Apache-2.0
#include "os/file_metadata.h"

#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <cstring>

#include "os/errno_error.h"
#include "os/reading.h"

namespace holdfast::os {
namespace {

constexpr unsigned status_mask =
    STATX_TYPE | STATX_MODE | STATX_NLINK | STATX_UID | STATX_GID | STATX_MTIME | STATX_CTIME | STATX_INO | STATX_SIZE |
    STATX_BLOCKS;

FileStatus from_statx(const struct statx& s) {
  FileStatus status;
  status.device = makedev(s.stx_dev_major, s.stx_dev_minor);
  status.inode = s.stx_ino;
  status.size_bytes = s.stx_size;
  status.allocated_bytes = s.stx_blocks * 512;
  status.mode = s.stx_mode;
  status.user_id = s.stx_uid;
  status.group_id = s.stx_gid;
  status.link_count = s.stx_nlink;
  status.device_major = s.stx_rdev_major;
  status.device_minor = s.stx_rdev_minor;
  const uint64_t attributes = s.stx_attributes & s.stx_attributes_mask;
  status.immutable = (attributes & STATX_ATTR_IMMUTABLE) != 0;
  status.append_only = (attributes & STATX_ATTR_APPEND) != 0;
  status.no_dump = (attributes & STATX_ATTR_NODUMP) != 0;
  status.mount_root = (attributes & STATX_ATTR_MOUNT_ROOT) != 0;
  status.modified = {s.stx_mtime.tv_sec, s.stx_mtime.tv_nsec};
  status.changed = {s.stx_ctime.tv_sec, s.stx_ctime.tv_nsec};
  return status;
}

// Zero, or the errno that the seam wants to be seen: then it is set.
int announce(Reading op, int fd, const char* name) {
  const int failed = read_point({.op = op, .fd = fd, .path = name});
  if (failed > 0) errno = failed;
  return failed;
}

Result<FileStatus> status(int fd, const char* name, int flags) {
  struct statx s;
  if (announce(Reading::stat, fd, name) > 0) return errno_error(errno, "read attributes of", name);
  while (statx(fd, name, flags | AT_STATX_DONT_SYNC | AT_NO_AUTOMOUNT, status_mask, &s) != 0) {
    if (errno != EINTR) return errno_error(errno, "read attributes of", name);
  }
  return from_statx(s);
}

bool no_xattrs_here(int errno_value) { return errno_value == ENOTSUP || errno_value == ENOSYS; }

// Both ways to reach a file's attributes, so that one loop serves both.
struct ByFd {
  int fd;
  ssize_t list(char* out, size_t size) const { return flistxattr(fd, out, size); }
  ssize_t get(const char* name, void* out, size_t size) const { return fgetxattr(fd, name, out, size); }
};
struct ByPath {
  const char* path;
  ssize_t list(char* out, size_t size) const { return llistxattr(path, out, size); }
  ssize_t get(const char* name, void* out, size_t size) const { return lgetxattr(path, name, out, size); }
};

// All names, each ended by a zero byte. Empty on the first call's word for almost every file.
template <class File>
Result<std::string> list_names(const File& file) {
  std::array<char, 1024> small;
  ssize_t size = file.list(small.data(), small.size());
  if (size >= 0) return std::string(small.data(), static_cast<size_t>(size));
  std::string names;
  while (errno == ERANGE) {
    size = file.list(nullptr, 0);
    if (size < 0) break;
    names.resize(static_cast<size_t>(size) + 256);  // It may grow between the calls.
    size = file.list(names.data(), names.size());
    if (size < 0) continue;
    names.resize(static_cast<size_t>(size));
    return names;
  }
  if (no_xattrs_here(errno)) return std::string();
  return errno_error(errno, "list extended attributes");
}

// False if the attribute has gone since it was listed.
template <class File>
Result<bool> get_value(const File& file, const std::string& name, Bytes& value) {
  value.resize(256);
  while (true) {
    const ssize_t size = file.get(name.c_str(), value.data(), value.size());
    if (size >= 0) {
      value.resize(static_cast<size_t>(size));
      return true;
    }
    // Some are listed but not to be had: by others (ENODATA) or by the file system (ENOTSUP).
    if (errno == ENODATA || errno == ENOTSUP) return false;
    if (errno != ERANGE) return errno_error(errno, "read extended attribute", name);
    if (value.size() > XATTR_SIZE_MAX) return Error(ErrorCode::unsupported, "oversized extended attribute " + name);
    value.resize(XATTR_SIZE_MAX + 1);
  }
}

template <class File>
Result<std::vector<Xattr>> read_all(const File& file, size_t size_bytes_max) {
  std::vector<Xattr> all;
  if (announce(Reading::stat, -1, "") > 0) return errno_error(errno, "list extended attributes");
  const std::string names = TRY(list_names(file));
  size_t size_bytes = names.size();
  for (size_t at = 0; at < names.size();) {
    Xattr xattr;
    xattr.name = names.c_str() + at;
    at += xattr.name.size() + 1;
    if (!TRY(get_value(file, xattr.name, xattr.value))) continue;
    size_bytes += xattr.value.size();
    if (size_bytes > size_bytes_max) {
      return Error(ErrorCode::unsupported,
                   "more than " + std::to_string(size_bytes_max) + " bytes of extended attributes");
    }
    all.push_back(std::move(xattr));
  }
  std::sort(all.begin(), all.end(), [](const Xattr& a, const Xattr& b) { return a.name < b.name; });
  return all;
}

Result<uint64_t> seek(int fd, uint64_t offset_bytes, uint64_t size_bytes, int whence) {
  if (offset_bytes >= size_bytes) return size_bytes;
  if (announce(Reading::read, fd, "") > 0) return errno_error(errno, "look for holes");
  const off_t at = lseek(fd, static_cast<off_t>(offset_bytes), whence);
  if (at < 0) {
    if (errno == ENXIO) return size_bytes;
    // Files that cannot tell, as some of the kernel's and of odd file systems, are data throughout.
    if (errno == EINVAL || errno == EOPNOTSUPP) return whence == SEEK_DATA ? offset_bytes : size_bytes;
    return errno_error(errno, "look for holes");
  }
  return std::min(static_cast<uint64_t>(at), size_bytes);
}

}  // namespace

Result<FileStatus> status_at(int dir_fd, PathArg name, FollowLinks follow) {
  return status(dir_fd, name.c_str(), follow == FollowLinks::no ? AT_SYMLINK_NOFOLLOW : 0);
}

Result<FileStatus> status_of(int fd) { return status(fd, "", AT_EMPTY_PATH); }

Result<Fd> open_for_backup_at(int dir_fd, PathArg name) {
  int flags = O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_NOATIME;
  while (true) {
    const int failed = announce(Reading::open, -1, name.c_str());
    const int fd = failed > 0 ? -1 : openat(dir_fd, name.c_str(), flags);
    if (fd >= 0) return Fd(fd);
    if (errno == EINTR) continue;
    if (errno == EPERM && (flags & O_NOATIME) != 0) {
      flags &= ~O_NOATIME;  // Only the owner may leave the access time alone.
      continue;
    }
    if (errno == ELOOP || errno == ENXIO) errno = ENOENT;  // A symlink, or a socket: the file is gone.
    return errno_error(errno, "open", name.c_str());
  }
}

Result<Bytes> read_link_at(int dir_fd, PathArg name) {
  Bytes target(PATH_MAX);
  if (announce(Reading::read, -1, name.c_str()) > 0) return errno_error(errno, "read symlink", name.c_str());
  const ssize_t size = readlinkat(dir_fd, name.c_str(), reinterpret_cast<char*>(target.data()), target.size());
  if (size < 0) {
    if (errno == EINVAL) errno = ENOENT;  // No symlink any more.
    return errno_error(errno, "read symlink", name.c_str());
  }
  return Bytes(target.begin(), target.begin() + size);
}

Result<std::vector<Xattr>> read_xattrs(int fd, size_t size_bytes_max) { return read_all(ByFd{fd}, size_bytes_max); }

Result<std::vector<Xattr>> read_xattrs_at(int dir_fd, PathArg name, size_t size_bytes_max) {
  const std::string path = "/proc/self/fd/" + std::to_string(dir_fd) + "/" + name.c_str();
  return read_all(ByPath{path.c_str()}, size_bytes_max);
}

Result<uint64_t> seek_data(int fd, uint64_t offset_bytes, uint64_t size_bytes) {
  return seek(fd, offset_bytes, size_bytes, SEEK_DATA);
}
Result<uint64_t> seek_hole(int fd, uint64_t offset_bytes, uint64_t size_bytes) {
  return seek(fd, offset_bytes, size_bytes, SEEK_HOLE);
}

std::string user_name_of(uint32_t user_id) {
  std::array<char, 4096> buffer;
  passwd entry{};
  passwd* found = nullptr;
  getpwuid_r(user_id, &entry, buffer.data(), buffer.size(), &found);
  return found != nullptr ? found->pw_name : "";
}

std::string group_name_of(uint32_t group_id) {
  // A group's record lists its members: large ones need more than a page.
  for (size_t size = 4096; size <= 1024 * 1024; size *= 16) {
    std::vector<char> buffer(size);
    group entry{};
    group* found = nullptr;
    if (getgrgid_r(group_id, &entry, buffer.data(), buffer.size(), &found) == ERANGE) continue;
    return found != nullptr ? found->gr_name : "";
  }
  return "";
}

uint64_t open_file_count_max() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return 1024;
  return limit.rlim_cur;
}

unsigned processor_count() {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) != 0) return 1;
  return static_cast<unsigned>(std::max(1, CPU_COUNT(&set)));
}

}  // namespace holdfast::os
