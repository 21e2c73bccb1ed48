// SPDX-License-Identifier: Apache-2.0
#include "os/apply_metadata.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cerrno>

#include "os/errno_error.h"
#include "os/file.h"
#include "os/mutation.h"

namespace holdfast::os {

namespace {

constexpr size_t xattr_value_size_bytes_max = 64 * 1024;  // XATTR_SIZE_MAX and XATTR_LIST_MAX.

std::string label(const Node& node) {
  return node.fd >= 0 ? "descriptor " + std::to_string(node.fd) : std::string(node.name);
}

// A path to the node itself for calls that have no form with a handle or a directory descriptor. The kernel takes the
// number for what is open behind it. That of a handle must be followed (once: not through a symlink behind it), the
// name in a directory must not.
std::string path_of(const Node& node) {
  if (node.fd >= 0) return "/proc/self/fd/" + std::to_string(node.fd);
  return "/proc/self/fd/" + std::to_string(node.dir_fd) + "/" + node.name;
}

int announce(Mutation op, const Node& node) { return mutation_point({.op = op, .fd = node.fd}); }

int stat_node(const Node& node, struct statx* info) {
  constexpr unsigned mask = STATX_BASIC_STATS;
  if (node.fd >= 0) return ::statx(node.fd, "", AT_EMPTY_PATH | AT_NO_AUTOMOUNT, mask, info);
  return ::statx(node.dir_fd, node.name, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT, mask, info);
}

NodeState from_statx(const struct statx& info) {
  NodeState state;
  state.mode = info.stx_mode;
  state.user_id = info.stx_uid;
  state.group_id = info.stx_gid;
  state.link_count = info.stx_nlink;
  state.size_bytes = info.stx_size;
  state.modified = {info.stx_mtime.tv_sec, info.stx_mtime.tv_nsec};
  state.inode = info.stx_ino;
  state.device = (uint64_t{info.stx_dev_major} << 32) | info.stx_dev_minor;
  state.device_major = info.stx_rdev_major;
  state.device_minor = info.stx_rdev_minor;
  if ((info.stx_attributes & STATX_ATTR_IMMUTABLE) != 0) state.flags |= node_immutable;
  if ((info.stx_attributes & STATX_ATTR_APPEND) != 0) state.flags |= node_append_only;
  if ((info.stx_attributes & STATX_ATTR_NODUMP) != 0) state.flags |= node_no_dump;
  state.is_mount_root = (info.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0;
  return state;
}

bool has_no_xattrs(int errno_value) { return errno_value == ENOTSUP || errno_value == ENOSYS; }

}  // namespace

Result<std::optional<NodeState>> node_state_if_any(const Node& node) {
  struct statx info{};
  if (stat_node(node, &info) == 0) return std::optional(from_statx(info));
  if (errno == ENOENT) return std::optional<NodeState>();
  return errno_error(errno, "stat", label(node));
}

Result<NodeState> node_state(const Node& node) {
  const std::optional<NodeState> state = TRY(node_state_if_any(node));
  if (!state) return errno_error(ENOENT, "stat", label(node));
  return *state;
}

Result<Bytes> read_symlink(int dir_fd, const char* name) {
  Bytes text(4096);  // PATH_MAX: a symlink's text is shorter.
  const ssize_t size = ::readlinkat(dir_fd, name, reinterpret_cast<char*>(text.data()), text.size());
  if (size < 0) return errno_error(errno, "read link", name);
  text.resize(static_cast<size_t>(size));
  return text;
}

Status change_owner(const Node& node, uint32_t user_id, uint32_t group_id) {
  if (const int failed = announce(Mutation::change_owner, node)) {
    return errno_error(failed, "change owner of", label(node));
  }
  const int done = ::fchownat(node.fd, "", user_id, group_id, AT_EMPTY_PATH);
  if (done != 0) return errno_error(errno, "change owner of", label(node));
  return {};
}

Status change_mode(const Node& node, uint32_t mode) {
  if (const int failed = announce(Mutation::change_mode, node)) {
    return errno_error(failed, "change mode of", label(node));
  }
  const int done = node.is_handle ? ::chmod(path_of(node).c_str(), mode) : ::fchmod(node.fd, mode);
  if (done != 0) return errno_error(errno, "change mode of", label(node));
  return {};
}

Status change_modified_time(const Node& node, const NodeTime& time) {
  // For whoever watches calls: times beyond what nanoseconds in 64 bits can say wrap around.
  const uint64_t time_ns = static_cast<uint64_t>(time.seconds) * 1'000'000'000 + time.nanoseconds;
  if (const int failed = mutation_point({.op = Mutation::change_times, .fd = node.fd, .offset_bytes = time_ns})) {
    return errno_error(failed, "change times of", label(node));
  }
  const timespec times[2] = {{.tv_sec = 0, .tv_nsec = UTIME_OMIT},
                             {.tv_sec = time.seconds, .tv_nsec = static_cast<long>(time.nanoseconds)}};
  int done = node.is_handle ? ::utimensat(node.fd, "", times, AT_EMPTY_PATH) : ::futimens(node.fd, times);
  if (done != 0 && errno == EINVAL && node.is_handle) {  // Linux before 5.8.
    done = ::utimensat(AT_FDCWD, path_of(node).c_str(), times, 0);
  }
  if (done != 0) return errno_error(errno, "change times of", label(node));
  return {};
}

namespace {

ssize_t list_names(const Node& node, const std::string& path, char* out, size_t size) {
  if (node.fd < 0) return ::llistxattr(path.c_str(), out, size);
  return node.is_handle ? ::listxattr(path.c_str(), out, size) : ::flistxattr(node.fd, out, size);
}

ssize_t get_value(const Node& node, const std::string& path, const char* name, MutableByteView out) {
  if (node.fd < 0) return ::lgetxattr(path.c_str(), name, out.data(), out.size());
  return node.is_handle ? ::getxattr(path.c_str(), name, out.data(), out.size())
                        : ::fgetxattr(node.fd, name, out.data(), out.size());
}

}  // namespace

Result<std::vector<NodeXattr>> list_xattrs(const Node& node) {
  std::vector<NodeXattr> found;
  const std::string path = path_of(node);
  const ssize_t needed = list_names(node, path, nullptr, 0);
  if (needed == 0 || (needed < 0 && has_no_xattrs(errno))) return found;
  if (needed < 0) return errno_error(errno, "list attributes of", label(node));
  std::string names(xattr_value_size_bytes_max, '\0');
  const ssize_t size = list_names(node, path, names.data(), names.size());
  if (size < 0) return errno_error(errno, "list attributes of", label(node));
  names.resize(static_cast<size_t>(size));
  Bytes value(xattr_value_size_bytes_max);
  for (size_t at = 0; at < names.size();) {
    const std::string name(names.c_str() + at);
    at += name.size() + 1;
    const ssize_t length = get_value(node, path, name.c_str(), value);
    if (length < 0 && (errno == ENODATA || has_no_xattrs(errno))) continue;  // Gone meanwhile.
    if (length < 0) return errno_error(errno, "read attribute " + name + " of", label(node));
    found.push_back({name, to_bytes(ByteView(value).first(static_cast<size_t>(length)))});
  }
  return found;
}

Status set_xattr(const Node& node, const std::string& name, ByteView value) {
  const std::string what = "set attribute " + name + " of";
  if (const int failed = announce(Mutation::change_xattr, node)) {
    return errno_error(failed, what, label(node));
  }
  const int done = node.is_handle
                       ? ::setxattr(path_of(node).c_str(), name.c_str(), value.data(), value.size(), 0)
                       : ::fsetxattr(node.fd, name.c_str(), value.data(), value.size(), 0);
  if (done != 0) return errno_error(errno, what, label(node));
  return {};
}

Status remove_xattr(const Node& node, const char* name) {
  const std::string what = std::string("remove attribute ") + name + " of";
  if (const int failed = announce(Mutation::change_xattr, node)) {
    return errno_error(failed, what, label(node));
  }
  const int done = node.is_handle ? ::removexattr(path_of(node).c_str(), name)
                                  : ::fremovexattr(node.fd, name);
  if (done != 0 && errno != ENODATA && !has_no_xattrs(errno)) {
    return errno_error(errno, what, label(node));
  }
  return {};
}

bool has_default_acl(int dir_fd) {
  return ::fgetxattr(dir_fd, "system.posix_acl_default", nullptr, 0) > 0;
}

Status change_flags(int fd, uint32_t mask, uint32_t flags) {
  if (const int failed = mutation_point({.op = Mutation::change_flags, .fd = fd})) {
    return errno_error(failed, "change flags of", label({.fd = fd}));
  }
  int bits = 0;
  if (::ioctl(fd, FS_IOC_GETFLAGS, &bits) != 0) {
    return errno_error(errno, "read flags of", label({.fd = fd}));
  }
  int wanted = bits;
  const auto replace = [&](uint32_t flag, int bit) {
    if ((mask & flag) != 0) wanted = (flags & flag) != 0 ? wanted | bit : wanted & ~bit;
  };
  replace(node_immutable, FS_IMMUTABLE_FL);
  replace(node_append_only, FS_APPEND_FL);
  replace(node_no_dump, FS_NODUMP_FL);
  if (wanted != bits && ::ioctl(fd, FS_IOC_SETFLAGS, &wanted) != 0) {
    return errno_error(errno, "change flags of", label({.fd = fd}));
  }
  return {};
}

Status make_node_at(int dir_fd, const char* name, NodeKind kind, uint32_t mode, uint32_t device_major,
                    uint32_t device_minor) {
  if (const int failed =
          mutation_point({.op = Mutation::make_node, .dir_fd = dir_fd, .path = name})) {
    return errno_error(failed, "make node", name);
  }
  mode_t type = S_IFIFO;
  if (kind == NodeKind::block_device) type = S_IFBLK;
  if (kind == NodeKind::char_device) type = S_IFCHR;
  if (kind == NodeKind::socket) type = S_IFSOCK;
  if (::mknodat(dir_fd, name, type | mode, gnu_dev_makedev(device_major, device_minor)) != 0) {
    return errno_error(errno, "make node", name);
  }
  return {};
}

Status make_symlink_at(int dir_fd, const char* name, const std::string& text) {
  if (const int failed = mutation_point(
          {.op = Mutation::symlink, .path = text.c_str(), .to_dir_fd = dir_fd, .to_path = name})) {
    return errno_error(failed, "make symlink", name);
  }
  if (::symlinkat(text.c_str(), dir_fd, name) != 0) return errno_error(errno, "make symlink", name);
  return {};
}

Result<Fd> open_node_at(int dir_fd, const char* name) {
  const int fd = ::openat(dir_fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0) return errno_error(errno, "open", name);
  return Fd(fd);
}

Status link_node_at(int fd, int dir_fd, const char* name) {
  const std::string path = "/proc/self/fd/" + std::to_string(fd);
  if (const int failed = mutation_point({.op = Mutation::link,
                                         .dir_fd = at_cwd,
                                         .path = path.c_str(),
                                         .to_dir_fd = dir_fd,
                                         .to_path = name})) {
    return errno_error(failed, "link", name);
  }
  if (::linkat(AT_FDCWD, path.c_str(), dir_fd, name, AT_SYMLINK_FOLLOW) != 0) {
    return errno_error(errno, "link", name);
  }
  return {};
}

Result<Fd> reopen_direct(int fd) {
  const std::string path = "/proc/self/fd/" + std::to_string(fd);
  const int direct = ::open(path.c_str(), O_RDWR | O_DIRECT | O_CLOEXEC);
  if (direct < 0) return errno_error(errno, "reopen", label({.fd = fd}));
  return Fd(direct);
}

bool is_read_only(int fd) {
  struct statvfs info{};
  return ::fstatvfs(fd, &info) == 0 && (info.f_flag & ST_RDONLY) != 0;
}

}  // namespace holdfast::os
