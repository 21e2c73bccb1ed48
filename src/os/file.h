// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fcntl.h>
#include <sys/types.h>

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "os/fd.h"

// Files and directories by descriptor or name. Paths are relative to `dir_fd`; `at_cwd` means the working directory.
// Errors carry errno's code (os/errno_error.h) and name the path. Interrupted calls are repeated, short ones continued.
namespace holdfast::os {

inline constexpr int at_cwd = AT_FDCWD;

enum class Access { read, write, read_write };

struct OpenOptions {
  Access access = Access::read;
  bool create = false;
  bool exclusive = false;   // With create: `conflict` if the name exists.
  bool truncate = false;
  bool direct = false;      // Past the page cache; `invalid` where the file system cannot.
  bool directory = false;   // `not_found` unless it is one.
  bool no_follow = false;   // `invalid` if the last component is a symlink.
  bool nonblocking = false; // Do not wait for the other end of a FIFO.
  mode_t mode = 0600;       // Of a file created here, before the umask.
};

Result<Fd> open_at(int dir_fd, PathArg path, const OpenOptions& options);
inline Result<Fd> open(PathArg path, const OpenOptions& options) { return open_at(at_cwd, path, options); }

// Number of bytes read: less than asked only at the end of the file.
Result<size_t> read_full(int fd, MutableByteView out);
Result<size_t> pread_full(int fd, MutableByteView out, uint64_t offset_bytes);
Status write_full(int fd, ByteView bytes);
Status pwrite_full(int fd, ByteView bytes, uint64_t offset_bytes);
// The parts one behind the other, many of them in one call.
Status pwritev_full(int fd, std::span<const ByteView> parts, uint64_t offset_bytes);
// Whether most of the range is in the page cache, so that reading past the cache would be slower. False where the
// kernel does not tell.
bool is_cached(int fd, uint64_t offset_bytes, uint64_t size_bytes);
// Whether lseek(2) may tell of a hole where data is still on its way to the disk. True on ZFS, whose versions before
// 2.2.2 do (OpenZFS 15526), and where the file system cannot be asked.
bool may_misreport_holes(int fd);
// Turns O_DIRECT on or off. `invalid` where the file system has none.
Status set_direct(int fd, bool direct);

// After a failed sync the kernel may have dropped the dirty pages and a second sync would lie: what was written
// through this descriptor is lost and must be written again elsewhere.
Status sync_data(int fd);  // fdatasync: bytes and size.
Status sync_all(int fd);   // fsync: attributes too.
Status sync_directory(int dir_fd);
Status sync_directory_at(int dir_fd, PathArg path);
Status sync_filesystem(int fd);

Status truncate(int fd, uint64_t size_bytes);
enum class Allocate { extend, keep_size, punch_hole };
// `unsupported` where the file system has no fallocate(2) of this kind.
Status allocate(int fd, Allocate mode, uint64_t offset_bytes, uint64_t size_bytes);

Status rename_at(int dir_fd, PathArg path, int to_dir_fd, PathArg to_path);
// `conflict` if `to_path` exists, atomically. Falls back to link and unlink on file systems that lack the call.
Status rename_new_at(int dir_fd, PathArg path, int to_dir_fd, PathArg to_path);
Status link_at(int dir_fd, PathArg path, int to_dir_fd, PathArg to_path);
Status unlink_at(int dir_fd, PathArg path);
// `conflict` if it exists.
Status make_directory_at(int dir_fd, PathArg path, mode_t mode);
Status remove_directory_at(int dir_fd, PathArg path);
// mkdir -p, and every directory made is durable on return.
Status make_directories(const std::string& path, mode_t mode);

enum class FileKind : uint8_t { file, directory, symlink, other };

struct FileStat {
  FileKind kind = FileKind::other;
  uint64_t size_bytes = 0;
};
struct FileSystemSpace {
  uint64_t size_bytes = 0;
  uint64_t free_size_bytes = 0;  // For us: without what is kept for root.
};
// Of the file system that holds `path`. Asks it anew each time: nothing of the answer is cached by the kernel.
Result<FileSystemSpace> file_system_space(PathArg path);

// Does not follow symlinks.
Result<FileStat> stat_at(int dir_fd, PathArg path);
Result<FileStat> stat_fd(int fd);

struct DirectoryItem {
  std::string name;
  FileKind kind = FileKind::other;
};
// All of it, unsorted, without "." and "..". For folders of ours; trees of others are walked by os/directory.h.
Result<std::vector<DirectoryItem>> list_directory_at(int dir_fd, PathArg path);

enum class FileLock { shared, exclusive };
// flock(2): bound to the open file and gone with it. False if another holds it in the way; `unsupported` where the
// file system has no locks.
Result<bool> try_lock_file(int fd, FileLock mode);
// Waits as long as it takes.
Status lock_file(int fd, FileLock mode);

// The whole file; `invalid` if it is longer than `size_bytes_max`.
Result<Bytes> read_file(PathArg path, uint64_t size_bytes_max);

enum class Existing { keep, replace };
// Makes a small file (key files, local state) so that after a crash the name holds all of the old bytes or all of the
// new ones: temporary name, sync, rename, sync of the folder. `conflict` if it exists and is to be kept.
Status write_durably(const std::string& path, ByteView bytes, mode_t mode, Existing existing);

}  // namespace holdfast::os
