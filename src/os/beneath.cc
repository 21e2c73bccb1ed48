// SPDX-License-Identifier: Apache-2.0
#include "os/beneath.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <string_view>

#include "os/errno_error.h"
#include "os/mutation.h"

namespace holdfast::os {

namespace {

constexpr int attempt_count_max = 64;  // openat2(2) may ask to try again when something is renamed on the way.

uint64_t flags_of(const OpenOptions& options) {
  uint64_t flags = O_CLOEXEC | O_NOFOLLOW;
  if (options.access == Access::write) flags |= O_WRONLY;
  if (options.access == Access::read_write) flags |= O_RDWR;
  if (options.create) flags |= O_CREAT;
  if (options.exclusive) flags |= O_EXCL;
  if (options.truncate) flags |= O_TRUNC;
  if (options.direct) flags |= O_DIRECT;
  if (options.directory) flags |= O_DIRECTORY;
  if (options.nonblocking) flags |= O_NONBLOCK;
  return flags;
}

bool lacks_openat2(int errno_value) {
  return errno_value == ENOSYS || errno_value == E2BIG || errno_value == EPERM;
}

Error refused(int errno_value, const char* path) {
  if (errno_value == ELOOP) {
    return Error(ErrorCode::invalid, std::string("open ") + path + ": a symlink stands there");
  }
  if (errno_value == EXDEV) {
    return Error(ErrorCode::invalid, std::string("open ") + path + ": another file system is mounted there");
  }
  return errno_error(errno_value, "open", path);
}

struct MountIdentity {
  uint64_t mount_id = 0;
  uint64_t device = 0;
  friend bool operator==(const MountIdentity&, const MountIdentity&) = default;
};

Result<MountIdentity> mount_of(int fd, const char* path) {
  struct statx info{};
  if (::statx(fd, "", AT_EMPTY_PATH | AT_NO_AUTOMOUNT, STATX_TYPE | STATX_MNT_ID, &info) != 0) {
    return errno_error(errno, "stat", path);
  }
  const uint64_t device = (uint64_t{info.stx_dev_major} << 32) | info.stx_dev_minor;
  return MountIdentity{(info.stx_mask & STATX_MNT_ID) != 0 ? info.stx_mnt_id : 0, device};
}

// One component; `name` is no "..", and O_NOFOLLOW keeps symlinks out.
Result<Fd> open_step(int dir_fd, const std::string& name, uint64_t flags, mode_t mode) {
  for (;;) {
    const int fd = ::openat(dir_fd, name.c_str(), static_cast<int>(flags), mode);
    if (fd >= 0) return Fd(fd);
    if (errno != EINTR) return refused(errno, name.c_str());
  }
}

Status announce(int dir_fd, const char* path, const OpenOptions& options) {
  if (!options.create && !options.truncate) return {};
  if (const int failed = mutation_point({.op = Mutation::create, .dir_fd = dir_fd, .path = path})) {
    return errno_error(failed, "create", path);
  }
  return {};
}

Result<Fd> walk(int dir_fd, const char* path, const OpenOptions& options, Mounts mounts) {
  std::string_view rest(path);
  Fd current = TRY(open_step(dir_fd, ".", O_PATH | O_DIRECTORY | O_CLOEXEC, 0));
  const MountIdentity home = TRY(mount_of(current.get(), "."));
  if (rest.empty()) rest = ".";
  while (!rest.empty()) {
    const size_t slash = rest.find('/');
    const std::string name(rest.substr(0, slash));
    rest = slash == std::string_view::npos ? std::string_view() : rest.substr(slash + 1);
    if (name.empty() || name == "..") {
      return Error(ErrorCode::invalid, std::string("open ") + path + ": leads out of its folder");
    }
    const bool last = rest.empty();
    current = last ? TRY(open_step(current.get(), name, flags_of(options), options.mode))
                   : TRY(open_step(current.get(), name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0));
    if (mounts == Mounts::stay && TRY(mount_of(current.get(), path)) != home) return refused(EXDEV, path);
  }
  return current;
}

}  // namespace

Result<Fd> open_beneath_by_steps(int dir_fd, PathArg path, const OpenOptions& options, Mounts mounts) {
  TRY_DO(announce(dir_fd, path.c_str(), options));
  return walk(dir_fd, path.c_str(), options, mounts);
}

Result<Fd> open_beneath(int dir_fd, PathArg path, const OpenOptions& options, Mounts mounts) {
  static std::atomic<bool> by_steps = false;
  TRY_DO(announce(dir_fd, path.c_str(), options));
  if (by_steps.load(std::memory_order_relaxed)) return walk(dir_fd, path.c_str(), options, mounts);
  struct open_how how{};
  how.flags = flags_of(options);
  how.mode = options.create ? options.mode & 07777u : 0;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
  if (mounts == Mounts::stay) how.resolve |= RESOLVE_NO_XDEV;
  const char* name = path.c_str()[0] == '\0' ? "." : path.c_str();
  for (int attempt = 0; attempt < attempt_count_max; ++attempt) {
    const long fd = ::syscall(SYS_openat2, dir_fd, name, &how, sizeof how);
    if (fd >= 0) return Fd(static_cast<int>(fd));
    if (errno == EINTR || errno == EAGAIN) continue;
    if (!lacks_openat2(errno)) return refused(errno, path.c_str());
    // EPERM may be a sandbox's way to say "unknown call", or an immutable file: the walk will tell.
    if (errno != EPERM) by_steps.store(true, std::memory_order_relaxed);
    return walk(dir_fd, path.c_str(), options, mounts);
  }
  return errno_error(EAGAIN, "open", path.c_str());
}

}  // namespace holdfast::os
