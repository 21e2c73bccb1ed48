// SPDX-License-Identifier: Apache-2.0
#include "os/file.h"

#include <sys/file.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "os/errno_error.h"
#include "os/mutation.h"

namespace holdfast::os {

namespace {

// The kernel moves at most this much in one call.
constexpr size_t io_size_bytes_max = 0x7ffff000;

std::string name_of_fd(int fd) { return "descriptor " + std::to_string(fd); }

int open_flags(const OpenOptions& options) {
  int flags = O_CLOEXEC;
  if (options.access == Access::read) flags |= O_RDONLY;
  if (options.access == Access::write) flags |= O_WRONLY;
  if (options.access == Access::read_write) flags |= O_RDWR;
  if (options.create) flags |= O_CREAT;
  if (options.exclusive) flags |= O_EXCL;
  if (options.truncate) flags |= O_TRUNC;
  if (options.direct) flags |= O_DIRECT;
  if (options.directory) flags |= O_DIRECTORY;
  if (options.no_follow) flags |= O_NOFOLLOW;
  if (options.nonblocking) flags |= O_NONBLOCK;
  return flags;
}

Status sync_with(int fd, Mutation op, int (*call)(int)) {
  if (const int failed = mutation_point({.op = op, .fd = fd})) {
    return errno_error(failed, "sync", name_of_fd(fd));
  }
  // Not repeated on EINTR: a failed sync may have dropped what it was to write.
  if (call(fd) != 0) return errno_error(errno, "sync", name_of_fd(fd));
  return {};
}

}  // namespace

void Fd::reset() {
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
}

Result<Fd> open_at(int dir_fd, PathArg path, const OpenOptions& options) {
  if (options.create || options.truncate) {
    if (const int failed =
            mutation_point({.op = Mutation::create, .dir_fd = dir_fd, .path = path.c_str()})) {
      return errno_error(failed, "create", path.c_str());
    }
  }
  const int flags = open_flags(options);
  int fd;
  do {
    fd = ::openat(dir_fd, path.c_str(), flags, options.mode);
  } while (fd < 0 && errno == EINTR);
  if (fd < 0) return errno_error(errno, options.create ? "create" : "open", path.c_str());
  return Fd(fd);
}

Result<size_t> read_full(int fd, MutableByteView out) {
  size_t done = 0;
  while (done < out.size()) {
    const ssize_t n = ::read(fd, out.data() + done, std::min(out.size() - done, io_size_bytes_max));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno_error(errno, "read", name_of_fd(fd));
    if (n == 0) break;
    done += static_cast<size_t>(n);
  }
  return done;
}

Result<size_t> pread_full(int fd, MutableByteView out, uint64_t offset_bytes) {
  size_t done = 0;
  while (done < out.size()) {
    const ssize_t n = ::pread(fd, out.data() + done, std::min(out.size() - done, io_size_bytes_max),
                              static_cast<off_t>(offset_bytes + done));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno_error(errno, "read", name_of_fd(fd));
    if (n == 0) break;
    done += static_cast<size_t>(n);
  }
  return done;
}

Status write_full(int fd, ByteView bytes) {
  if (const int failed = mutation_point({.op = Mutation::write, .fd = fd, .data = bytes})) {
    return errno_error(failed, "write", name_of_fd(fd));
  }
  while (!bytes.empty()) {
    const ssize_t n = ::write(fd, bytes.data(), std::min(bytes.size(), io_size_bytes_max));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno_error(errno, "write", name_of_fd(fd));
    bytes = bytes.subspan(static_cast<size_t>(n));
  }
  return {};
}

Status pwrite_full(int fd, ByteView bytes, uint64_t offset_bytes) {
  if (const int failed = mutation_point(
          {.op = Mutation::write, .fd = fd, .offset_bytes = offset_bytes, .data = bytes})) {
    return errno_error(failed, "write", name_of_fd(fd));
  }
  while (!bytes.empty()) {
    const ssize_t n = ::pwrite(fd, bytes.data(), std::min(bytes.size(), io_size_bytes_max),
                               static_cast<off_t>(offset_bytes));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno_error(errno, "write", name_of_fd(fd));
    bytes = bytes.subspan(static_cast<size_t>(n));
    offset_bytes += static_cast<uint64_t>(n);
  }
  return {};
}

bool is_cached(int fd, uint64_t offset_bytes, uint64_t size_bytes) {
  // Linux 6.5; too new for the C library's headers.
  constexpr long cachestat_number = 451;
  struct {
    uint64_t offset_bytes, size_bytes;
  } const range{offset_bytes, size_bytes};
  struct {
    uint64_t cached, dirty, writeback, evicted, recently_evicted;
  } pages{};
  if (::syscall(cachestat_number, fd, &range, &pages, 0) != 0) return false;
  const auto page_bytes = static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
  return pages.cached * page_bytes > size_bytes / 2;
}

Status set_direct(int fd, bool direct) {
  const int flags = ::fcntl(fd, F_GETFL);
  if (flags < 0) return errno_error(errno, "fcntl", name_of_fd(fd));
  const int wanted = direct ? flags | O_DIRECT : flags & ~O_DIRECT;
  if (wanted != flags && ::fcntl(fd, F_SETFL, wanted) != 0) {
    return errno_error(errno, "fcntl", name_of_fd(fd));
  }
  return {};
}

bool may_misreport_holes(int fd) {
  constexpr decltype(statfs::f_type) zfs_magic = 0x2fc12fc1;
  struct statfs status {};
  return ::fstatfs(fd, &status) != 0 || status.f_type == zfs_magic;
}

Status sync_data(int fd) { return sync_with(fd, Mutation::sync, ::fdatasync); }
Status sync_all(int fd) { return sync_with(fd, Mutation::sync, ::fsync); }
Status sync_directory(int dir_fd) { return sync_with(dir_fd, Mutation::sync_directory, ::fsync); }
Status sync_filesystem(int fd) { return sync_with(fd, Mutation::sync_filesystem, ::syncfs); }

Status sync_directory_at(int dir_fd, PathArg path) {
  const Fd fd = TRY(open_at(dir_fd, path, {.directory = true}));
  return sync_directory(fd.get()).during(path.c_str());
}

Status truncate(int fd, uint64_t size_bytes) {
  if (const int failed =
          mutation_point({.op = Mutation::truncate, .fd = fd, .offset_bytes = size_bytes})) {
    return errno_error(failed, "truncate", name_of_fd(fd));
  }
  while (::ftruncate(fd, static_cast<off_t>(size_bytes)) != 0) {
    if (errno != EINTR) return errno_error(errno, "truncate", name_of_fd(fd));
  }
  return {};
}

Status allocate(int fd, Allocate mode, uint64_t offset_bytes, uint64_t size_bytes) {
  if (const int failed =
          mutation_point({.op = Mutation::allocate, .fd = fd, .offset_bytes = offset_bytes})) {
    return errno_error(failed, "allocate", name_of_fd(fd));
  }
  int flags = 0;
  if (mode == Allocate::keep_size) flags = FALLOC_FL_KEEP_SIZE;
  if (mode == Allocate::punch_hole) flags = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
  while (::fallocate(fd, flags, static_cast<off_t>(offset_bytes), static_cast<off_t>(size_bytes)) != 0) {
    if (errno != EINTR) return errno_error(errno, "allocate", name_of_fd(fd));
  }
  return {};
}

Result<bool> try_lock_file(int fd, FileLock mode) {
  const int operation = mode == FileLock::shared ? LOCK_SH : LOCK_EX;
  while (::flock(fd, operation | LOCK_NB) != 0) {
    if (errno == EWOULDBLOCK) return false;
    if (errno == ENOLCK) return Error(ErrorCode::unsupported, "lock: the file system has no locks");
    if (errno != EINTR) return errno_error(errno, "lock", name_of_fd(fd));
  }
  return true;
}

Status lock_file(int fd, FileLock mode) {
  while (::flock(fd, mode == FileLock::shared ? LOCK_SH : LOCK_EX) != 0) {
    if (errno == ENOLCK) return Error(ErrorCode::unsupported, "lock: the file system has no locks");
    if (errno != EINTR) return errno_error(errno, "lock", name_of_fd(fd));
  }
  return {};
}

}  // namespace holdfast::os
