// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/mutex.h"
#include "format/file_attributes.h"
#include "target/filetree/early_sync.h"
#include "target/filetree/filetree_target.h"
#include "target/filetree/folder.h"

namespace holdfast::target::filetree {

// What of the recorded metadata is set (FileTreeTargetOptions with its defaults decided).
struct Policy {
  Owners owners = Owners::none;
  bool setuid = false;
  bool devices = false;
  bool sockets = false;
  bool fifos = true;
  bool acls = true;
  bool user_xattrs = true;
  bool system_xattrs = false;
  bool flags = false;
};
Policy decide_policy(const FileTreeTargetOptions& options, bool trusted);

// What was left off entries that were otherwise restored; told once a kind.
enum class Lack : uint8_t { owner, setuid, attributes, flags, beneath };
inline constexpr size_t lack_count = 5;

// A file whose immutable or append-only flag is set at the very end: until then it may have to be linked or renamed.
struct LateFlags {
  std::shared_ptr<Folder> folder;
  std::string name;
  uint32_t flags = 0;
};

// What the target, its writers and its helpers share. All members from any thread.
class Run {
 public:
  Run(FileTreeTargetOptions options_in, Policy policy_in, os::Fd root);

  const FileTreeTargetOptions options;
  const Policy policy;
  const uint32_t user_id;
  const uint32_t creation_mask;
  bool trusts_times = true;  // False after a power cut. Set before any writer is made.
  FolderCache folders;
  EarlySync early_sync;

  // The error that ended the run, if one did.
  Status check() EXCLUDES(mutex_);
  // Passes the error of a call that fills the disk on; if it ends the run, remembers it.
  Error failed(Error error) EXCLUDES(mutex_);
  // The same for calls that only set metadata: for want of space they fail one entry, not the run.
  void saw(const Error& error) EXCLUDES(mutex_);
  template <class T>
  Result<T> watch(Result<T> result) {
    if (result) return result;
    return failed(std::move(result.error()));
  }
  void problem(std::string name, Error error) EXCLUDES(mutex_);
  void lacks(Lack kind, const std::string& name, std::string_view reason) EXCLUDES(mutex_);
  void set_flags_late(LateFlags flags) EXCLUDES(mutex_);
  std::vector<LateFlags> take_late_flags() EXCLUDES(mutex_);
  // All problems, the summed up ones last.
  std::vector<Problem> take_problems() EXCLUDES(mutex_);

 private:
  void end_with(const Error& error) EXCLUDES(mutex_);

  struct LackCount {
    uint64_t count = 0;
    std::string first_name;
    std::string reason;
  };
  std::atomic<bool> ended_ = false;
  Mutex mutex_;
  std::optional<Error> end_ GUARDED_BY(mutex_);
  std::vector<Problem> problems_ GUARDED_BY(mutex_);
  std::vector<LateFlags> late_flags_ GUARDED_BY(mutex_);
  std::array<LackCount, lack_count> lacks_ GUARDED_BY(mutex_);
};

}  // namespace holdfast::target::filetree
