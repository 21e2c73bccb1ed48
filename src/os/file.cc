// SPDX-License-Identifier: Apache-2.0
#include "os/file.h"

#include <sys/file.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "os/errno_error.h"
#include "os/mutation.h"
#include "os/reading.h"

namespace holdfast::os {

namespace {

// The kernel moves at most this much in one call.
constexpr size_t io_size_bytes_max = 0x7ffff000;
// And takes at most so many pieces.
constexpr size_t piece_count_max = 1024;

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
  const int flags = open_flags(options);
  for (;;) {
    int failed = 0;
    if (options.create || options.truncate) {
      failed = mutation_point({.op = Mutation::create,
                               .dir_fd = dir_fd,
                               .path = path.c_str(),
                               .exclusive = options.exclusive});
    } else {
      failed = read_point({.op = Reading::open, .path = path.c_str()});
    }
    const int fd = failed != 0 ? -1 : ::openat(dir_fd, path.c_str(), flags, options.mode);
    if (fd >= 0) return Fd(fd);
    if (failed == 0) failed = errno;
    if (failed != EINTR) return errno_error(failed, options.create ? "create" : "open", path.c_str());
  }
}

namespace {

// One read(2) or pread(2) of at most `size` bytes, as the seam has it: the errno, or zero and `n`.
template <class Call>
int read_once(int fd, size_t size, ssize_t& n, Call call) {
  const int verdict = read_point({.op = Reading::read, .fd = fd});
  if (verdict > 0) return verdict;
  n = call(verdict == short_transfer ? (size + 1) / 2 : size);
  return n < 0 ? errno : 0;
}

template <class Call>
Result<size_t> read_all(int fd, size_t size, Call call) {
  size_t done = 0;
  while (done < size) {
    ssize_t n = 0;
    const int failed = read_once(fd, std::min(size - done, io_size_bytes_max), n,
                                 [&](size_t part) { return call(done, part); });
    if (failed == EINTR) continue;
    if (failed != 0) return errno_error(failed, "read", name_of_fd(fd));
    if (n == 0) break;
    done += static_cast<size_t>(n);
  }
  return done;
}

// One write of at most `size` bytes, as the seam has it: the errno, or zero and `n`.
template <class Call>
int write_once(const MutationEvent& event, size_t size, ssize_t& n, Call call) {
  const int verdict = mutation_point(event);
  if (verdict > 0) return verdict;
  n = call(verdict == short_transfer ? (size + 1) / 2 : size);
  return n < 0 ? errno : 0;
}

template <class Call>
Status write_all(int fd, ByteView bytes, uint64_t offset_bytes, Call call) {
  size_t done = 0;
  do {
    const ByteView left = bytes.subspan(done);
    const uint64_t place = offset_bytes == offset_current ? offset_current : offset_bytes + done;
    ssize_t n = 0;
    const int failed =
        write_once({.op = Mutation::write, .fd = fd, .offset_bytes = place, .data = left},
                   std::min(left.size(), io_size_bytes_max), n, [&](size_t part) { return call(done, part); });
    if (failed == EINTR) continue;
    if (failed != 0) return errno_error(failed, "write", name_of_fd(fd));
    done += static_cast<size_t>(n);
  } while (done < bytes.size());
  return {};
}

// The pieces of what is left from `done` on, at most `size` bytes and as many as one call takes.
std::vector<iovec> pieces_of(std::span<const ByteView> parts, uint64_t done, size_t size) {
  std::vector<iovec> pieces;
  for (const ByteView part : parts) {
    if (size == 0 || pieces.size() == piece_count_max) break;
    if (done >= part.size()) {
      done -= part.size();
      continue;
    }
    const ByteView piece = part.subspan(static_cast<size_t>(done)).first(std::min<size_t>(size, part.size() - done));
    pieces.push_back({const_cast<std::byte*>(piece.data()), piece.size()});  // writev(2) takes no const.
    size -= piece.size();
    done = 0;
  }
  return pieces;
}

}  // namespace

Result<size_t> read_full(int fd, MutableByteView out) {
  return read_all(fd, out.size(), [&](size_t at, size_t size) { return ::read(fd, out.data() + at, size); });
}

Result<size_t> pread_full(int fd, MutableByteView out, uint64_t offset_bytes) {
  return read_all(fd, out.size(), [&](size_t at, size_t size) {
    return ::pread(fd, out.data() + at, size, static_cast<off_t>(offset_bytes + at));
  });
}

Status write_full(int fd, ByteView bytes) {
  return write_all(fd, bytes, offset_current,
                   [&](size_t at, size_t size) { return ::write(fd, bytes.data() + at, size); });
}

Status pwrite_full(int fd, ByteView bytes, uint64_t offset_bytes) {
  return write_all(fd, bytes, offset_bytes, [&](size_t at, size_t size) {
    return ::pwrite(fd, bytes.data() + at, size, static_cast<off_t>(offset_bytes + at));
  });
}

Status pwritev_full(int fd, std::span<const ByteView> parts, uint64_t offset_bytes) {
  uint64_t size_bytes = 0;
  for (const ByteView part : parts) size_bytes += part.size();
  for (uint64_t done = 0; done < size_bytes;) {
    const std::vector<iovec> pieces = pieces_of(parts, done, io_size_bytes_max);
    size_t size = 0;
    for (const iovec& piece : pieces) size += piece.iov_len;
    Bytes joined;  // Only for whoever watches.
    for (const iovec& piece : pieces) {
      if (is_observed()) append(joined, {static_cast<const std::byte*>(piece.iov_base), piece.iov_len});
    }
    ssize_t n = 0;
    const uint64_t place = offset_bytes + done;
    const int failed = write_once(
        {.op = Mutation::write, .fd = fd, .offset_bytes = place, .data = joined}, size, n, [&](size_t part) {
          const std::vector<iovec> fewer = part < size ? pieces_of(parts, done, part) : std::vector<iovec>();
          const std::vector<iovec>& some = part < size ? fewer : pieces;
          return ::pwritev(fd, some.data(), static_cast<int>(some.size()), static_cast<off_t>(place));
        });
    if (failed == EINTR) continue;
    if (failed != 0) return errno_error(failed, "write", name_of_fd(fd));
    done += static_cast<size_t>(n);
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
  for (;;) {
    int failed = mutation_point({.op = Mutation::truncate, .fd = fd, .offset_bytes = size_bytes});
    if (failed == 0 && ::ftruncate(fd, static_cast<off_t>(size_bytes)) == 0) return {};
    if (failed == 0) failed = errno;
    if (failed != EINTR) return errno_error(failed, "truncate", name_of_fd(fd));
  }
}

Status allocate(int fd, Allocate mode, uint64_t offset_bytes, uint64_t size_bytes) {
  int flags = 0;
  if (mode == Allocate::keep_size) flags = FALLOC_FL_KEEP_SIZE;
  if (mode == Allocate::punch_hole) flags = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
  for (;;) {
    int failed = mutation_point({.op = Mutation::allocate, .fd = fd, .offset_bytes = offset_bytes});
    if (failed == 0 && ::fallocate(fd, flags, static_cast<off_t>(offset_bytes), static_cast<off_t>(size_bytes)) == 0) {
      return {};
    }
    if (failed == 0) failed = errno;
    if (failed != EINTR) return errno_error(failed, "allocate", name_of_fd(fd));
  }
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
