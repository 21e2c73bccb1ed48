// SPDX-License-Identifier: Apache-2.0
// The part of os/file.h that deals in names: directories, renames, whole small files.
#include <dirent.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <memory>

#include "os/errno_error.h"
#include "os/file.h"
#include "os/mutation.h"
#include "os/reading.h"
#include "os/random.h"

namespace holdfast::os {

namespace {

FileKind kind_of_mode(mode_t mode) {
  if (S_ISREG(mode)) return FileKind::file;
  if (S_ISDIR(mode)) return FileKind::directory;
  if (S_ISLNK(mode)) return FileKind::symlink;
  return FileKind::other;
}

FileStat from_stat(const struct stat& info) {
  return {.kind = kind_of_mode(info.st_mode), .size_bytes = static_cast<uint64_t>(info.st_size)};
}

std::string parent_of(const std::string& path) {
  const size_t slash = path.find_last_of('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

struct CloseDirectory {
  void operator()(DIR* stream) const { ::closedir(stream); }
};

// NFS and some FUSE file systems know no flags to rename.
bool lacks_rename_flags(int errno_value) {
  return errno_value == EINVAL || errno_value == ENOSYS || errno_value == EOPNOTSUPP;
}

}  // namespace

Status rename_at(int dir_fd, PathArg path, int to_dir_fd, PathArg to_path) {
  if (const int failed = mutation_point({.op = Mutation::rename,
                                         .dir_fd = dir_fd,
                                         .path = path.c_str(),
                                         .to_dir_fd = to_dir_fd,
                                         .to_path = to_path.c_str()})) {
    return errno_error(failed, "rename to", to_path.c_str());
  }
  if (::renameat(dir_fd, path.c_str(), to_dir_fd, to_path.c_str()) != 0) {
    return errno_error(errno, "rename to", to_path.c_str());
  }
  return {};
}

Status rename_new_at(int dir_fd, PathArg path, int to_dir_fd, PathArg to_path) {
  if (const int failed = mutation_point({.op = Mutation::rename,
                                         .dir_fd = dir_fd,
                                         .path = path.c_str(),
                                         .to_dir_fd = to_dir_fd,
                                         .to_path = to_path.c_str(),
                                         .exclusive = true})) {
    return errno_error(failed, "rename to", to_path.c_str());
  }
  if (::renameat2(dir_fd, path.c_str(), to_dir_fd, to_path.c_str(), RENAME_NOREPLACE) == 0) return {};
  if (!lacks_rename_flags(errno)) return errno_error(errno, "rename to", to_path.c_str());
  TRY_DO(link_at(dir_fd, path, to_dir_fd, to_path));
  return unlink_at(dir_fd, path);
}

Status link_at(int dir_fd, PathArg path, int to_dir_fd, PathArg to_path) {
  if (const int failed = mutation_point({.op = Mutation::link,
                                         .dir_fd = dir_fd,
                                         .path = path.c_str(),
                                         .to_dir_fd = to_dir_fd,
                                         .to_path = to_path.c_str()})) {
    return errno_error(failed, "link", to_path.c_str());
  }
  if (::linkat(dir_fd, path.c_str(), to_dir_fd, to_path.c_str(), 0) != 0) {
    return errno_error(errno, "link", to_path.c_str());
  }
  return {};
}

Status unlink_at(int dir_fd, PathArg path) {
  if (const int failed =
          mutation_point({.op = Mutation::unlink, .dir_fd = dir_fd, .path = path.c_str()})) {
    return errno_error(failed, "remove", path.c_str());
  }
  if (::unlinkat(dir_fd, path.c_str(), 0) != 0) return errno_error(errno, "remove", path.c_str());
  return {};
}

Status make_directory_at(int dir_fd, PathArg path, mode_t mode) {
  if (const int failed =
          mutation_point({.op = Mutation::make_directory, .dir_fd = dir_fd, .path = path.c_str()})) {
    return errno_error(failed, "make directory", path.c_str());
  }
  if (::mkdirat(dir_fd, path.c_str(), mode) != 0) {
    return errno_error(errno, "make directory", path.c_str());
  }
  return {};
}

Status remove_directory_at(int dir_fd, PathArg path) {
  if (const int failed =
          mutation_point({.op = Mutation::remove_directory, .dir_fd = dir_fd, .path = path.c_str()})) {
    return errno_error(failed, "remove", path.c_str());
  }
  if (::unlinkat(dir_fd, path.c_str(), AT_REMOVEDIR) != 0) {
    return errno_error(errno, "remove", path.c_str());
  }
  return {};
}

Status make_directories(const std::string& path, mode_t mode) {
  for (size_t at = 0; at != std::string::npos;) {
    at = path.find('/', at + 1);
    const std::string prefix = path.substr(0, at);
    if (prefix.empty() || prefix == "/" || prefix.ends_with("//")) continue;
    struct stat info{};
    if (::stat(prefix.c_str(), &info) == 0 && S_ISDIR(info.st_mode)) continue;
    const Status made = make_directory_at(at_cwd, prefix, mode);
    if (!made && made.error().code() == ErrorCode::conflict &&
        ::stat(prefix.c_str(), &info) == 0 && S_ISDIR(info.st_mode)) {
      continue;
    }
    TRY_DO(made);
    std::string stripped = prefix;
    while (stripped.size() > 1 && stripped.back() == '/') stripped.pop_back();
    TRY_DO(sync_directory_at(at_cwd, parent_of(stripped)));
  }
  return {};
}

Result<FileSystemSpace> file_system_space(PathArg path) {
  struct statvfs info{};
  if (::statvfs(path.c_str(), &info) != 0) return errno_error(errno, "statvfs", path.c_str());
  return FileSystemSpace{.size_bytes = uint64_t{info.f_blocks} * info.f_frsize,
                         .free_size_bytes = uint64_t{info.f_bavail} * info.f_frsize};
}

Result<FileStat> stat_at(int dir_fd, PathArg path) {
  struct stat info{};
  if (const int failed = read_point({.op = Reading::stat, .path = path.c_str()})) {
    return errno_error(failed, "stat", path.c_str());
  }
  if (::fstatat(dir_fd, path.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) {
    return errno_error(errno, "stat", path.c_str());
  }
  return from_stat(info);
}

Result<FileStat> stat_fd(int fd) {
  struct stat info{};
  if (::fstat(fd, &info) != 0) return errno_error(errno, "stat");
  return from_stat(info);
}

Result<std::vector<DirectoryItem>> list_directory_at(int dir_fd, PathArg path) {
  Fd fd = TRY(open_at(dir_fd, path, {.directory = true}));
  const std::unique_ptr<DIR, CloseDirectory> stream(::fdopendir(fd.get()));
  if (stream == nullptr) return errno_error(errno, "list", path.c_str());
  fd.release();  // The stream owns it now.
  std::vector<DirectoryItem> items;
  for (;;) {
    errno = read_point({.op = Reading::list, .fd = ::dirfd(stream.get())});
    // Safe as long as nobody else has the stream.
    const dirent* entry = errno != 0 ? nullptr : ::readdir(stream.get());  // NOLINT(concurrency-mt-unsafe)
    if (entry == nullptr && errno != 0) return errno_error(errno, "list", path.c_str());
    if (entry == nullptr) return items;
    const std::string_view name(entry->d_name);
    if (name == "." || name == "..") continue;
    DirectoryItem item{.name = std::string(name), .kind = FileKind::other};
    if (entry->d_type == DT_REG) item.kind = FileKind::file;
    if (entry->d_type == DT_DIR) item.kind = FileKind::directory;
    if (entry->d_type == DT_LNK) item.kind = FileKind::symlink;
    if (entry->d_type == DT_UNKNOWN) {
      const Result<FileStat> info = stat_at(::dirfd(stream.get()), entry->d_name);
      if (!info && info.error().code() == ErrorCode::not_found) continue;  // Gone meanwhile.
      if (!info) return info.error();
      item.kind = info->kind;
    }
    items.push_back(std::move(item));
  }
}

Result<Bytes> read_file(PathArg path, uint64_t size_bytes_max) {
  const Fd fd = TRY(open(path, {}));
  Bytes bytes;
  constexpr size_t step_bytes = 64 * 1024;  // Read to the end: files of /proc and pipes know no size.
  for (;;) {
    const size_t at = bytes.size();
    bytes.resize(at + step_bytes);
    const size_t n = TRY(read_full(fd.get(), MutableByteView(bytes).subspan(at)).during(path.c_str()));
    bytes.resize(at + n);
    if (bytes.size() > size_bytes_max) {
      return Error(ErrorCode::invalid, std::string("read ") + path.c_str() + ": longer than expected");
    }
    if (n < step_bytes) return bytes;
  }
}

Status write_durably(const std::string& path, ByteView bytes, mode_t mode, Existing existing) {
  const std::string temporary = path + ".tmp-" + random_name();
  const Fd fd = TRY(open(temporary, {.access = Access::write, .create = true, .exclusive = true, .mode = mode}));
  Status written = [&]() -> Status {
    TRY_DO(write_full(fd.get(), bytes));
    TRY_DO(sync_all(fd.get()));
    if (existing == Existing::replace) return rename_at(at_cwd, temporary, at_cwd, path);
    return rename_new_at(at_cwd, temporary, at_cwd, path);
  }();
  if (!written) {
    unlink_at(at_cwd, temporary).ignore("the first failure is the one to report");
    return std::move(written).during("write " + path);
  }
  return sync_directory_at(at_cwd, parent_of(path)).during("write " + path);
}

}  // namespace holdfast::os
