// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/seams.h"
#include "format/file_attributes.h"
#include "source/source.h"

namespace holdfast::source {

// By what a file is known to be the one of the previous scan. Permissions, owner and link count always count.
enum class ChangeDetection : uint8_t {
  full,             // Size, mtime, ctime, inode: nothing short of a lying kernel goes unseen.
  ignore_ctime,     // Where a sync tool or another backup program sets ctime anew.
  ignore_inode,     // Network and FUSE file systems, snapshots: inodes differ from mount to mount.
  mtime_size_only,  // Both. A change that keeps size and mtime goes unseen.
};

// A folder known by device and inode, whatever name it is met by.
struct OwnFolder {
  uint64_t device = 0;
  uint64_t inode = 0;
  std::string what;       // "the vault": for messages.
  bool is_vault = false;  // Then it cannot be asked for either.
};

struct FileTreeOptions {
  // Absolute or relative to the working directory; at least one. Files, directories, symlinks (kept as such). Roots
  // within roots are part of them, exempt from excludes and from one_file_system.
  std::vector<std::string> roots = {};

  // Lines in gitignore(5)'s syntax, in order: the last match decides. Those of `excludes_ignoring_case` follow after.
  std::vector<std::string> excludes = {};
  std::vector<std::string> excludes_ignoring_case = {};
  std::string exclude_base = "/";               // Where anchored patterns begin.
  bool exclude_caches = false;                  // Contents of directories that hold a genuine CACHEDIR.TAG.
  std::vector<std::string> exclude_if_present = {};  // Contents of directories that hold one of these names.
  bool one_file_system = false;                 // Mount points are kept as empty directories.
  uint64_t size_bytes_max = UINT64_MAX;         // Larger regular files are left out.
  std::set<format::FileType> types_left_out = {};    // Not directories.
  // Left out unless asked for as roots: where this backup goes, and what the program keeps for itself.
  std::vector<OwnFolder> own_folders = {};
  // Told of each that was met. Called from any of the scan's threads.
  std::function<void(const std::string& path, const std::string& what)> own_folder_met = {};

  ChangeDetection change_detection = ChangeDetection::full;
  bool force = false;          // Take nothing as unchanged.
  unsigned scan_threads = 0;   // 0: one for each processor.
};

// Contents handed out by a scan must not outlive the source. An entry's own attributes and, of directories, names are
// read during the scan, file contents when asked for.
class FileTreeSource {
 public:
  // `not_found` if none of the roots exists. A single missing root becomes a skip of the scan. `invalid` if one of them
  // is the vault.
  static Result<std::unique_ptr<Source>> open(const FileTreeOptions& options, Clock& clock);
};

// The lines of an exclude file, or the paths of a --files-from file: separated by newlines, or by zero bytes if it
// holds any. "-" is standard input.
Result<std::vector<std::string>> read_lines_of(const std::string& path);

}  // namespace holdfast::source
