// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/mutex.h"
#include "base/result.h"

// The seam before every system call that changes a disk. Tests use it to count such calls, to die before the Nth, to
// make the Nth fail, or to record all of them and replay what a power cut would have left. Every wrapper in os/ that
// changes anything calls mutation_point() first (os/reading.h is the same for calls that only look):
//
//   if (const int failed = mutation_point({.op = Mutation::unlink, .dir_fd = dir_fd, .path = path.c_str()})) {
//     return errno_error(failed, "unlink", path.c_str());
//   }
namespace holdfast::os {

enum class Mutation : uint8_t {
  create,          // open() with O_CREAT, or O_TRUNC.
  write,
  truncate,
  allocate,
  sync,            // fsync or fdatasync of a file.
  sync_directory,
  sync_filesystem,
  rename,
  link,
  unlink,
  make_directory,
  remove_directory,
  make_node,       // mknod, mkfifo.
  symlink,
  change_mode,
  change_owner,
  change_times,
  change_xattr,
  change_flags,
};

std::string_view to_string(Mutation op);

// The offset of a write that goes to where the descriptor stands.
inline constexpr uint64_t offset_current = UINT64_MAX;
// What an observer answers, in place of an errno, for a write or read that is to move only half of its bytes.
inline constexpr int short_transfer = -1;

// What is about to happen. Either `fd` names the file, or `path` (beneath `dir_fd`) does. Valid during the call only.
struct MutationEvent {
  Mutation op{};
  int fd = -1;
  int dir_fd = -1;
  const char* path = "";
  int to_dir_fd = -1;         // rename, link.
  const char* to_path = "";   // rename, link; symlink: the name made, `path` its text.
  uint64_t offset_bytes = 0;  // write (or offset_current), truncate (the new size), allocate; of change_times the ns.
  ByteView data = {};         // write.
  bool exclusive = false;     // create, rename: fails if the name exists.
};

// Told of every mutation of the process, from any thread, before it happens. A call that the kernel interrupts or cuts
// short is told of again for each time it is made.
class MutationObserver {
 public:
  virtual ~MutationObserver() = default;
  // Zero lets the call go on; an errno is what the caller sees in its place; short_transfer has a write do half.
  virtual int before(const MutationEvent& event) = 0;
};

// Installs `observer` (null takes it away). It must outlive every call that may be running.
void set_mutation_observer(MutationObserver* observer);

namespace internal {
extern std::atomic<MutationObserver*> mutation_observer;
}

// Whether anybody is told: where what is to be told costs something.
inline bool is_observed() { return internal::mutation_observer.load(std::memory_order_relaxed) != nullptr; }

// Zero, or the errno with which the caller must fail without making the call.
[[nodiscard]] inline int mutation_point(const MutationEvent& event) {
  MutationObserver* observer = internal::mutation_observer.load(std::memory_order_relaxed);
  if (observer == nullptr) [[likely]] return 0;
  return observer->before(event);
}

// Counts; at call number `trigger` (from 1; 0 never) it ends the process as kill -9 would, or fails with an errno.
// With `persistent` every later call fails too, as on a disk that has gone.
class FaultObserver : public MutationObserver {
 public:
  struct Plan {
    uint64_t trigger = 0;
    int errno_value = 0;  // 0: _exit(137).
    bool persistent = false;
  };
  explicit FaultObserver(const Plan& plan) : plan_(plan) {}
  int before(const MutationEvent& event) override;
  uint64_t count() const { return count_.load(std::memory_order_relaxed); }

 private:
  const Plan plan_;
  std::atomic<uint64_t> count_ = 0;
};

// Keeps every mutation with the paths behind its descriptors resolved, in order.
class RecordingObserver : public MutationObserver {
 public:
  struct Operation {
    Mutation op{};
    std::string path;
    std::string to_path;
    uint64_t offset_bytes = 0;  // The real one, even where the event says offset_current.
    Bytes data;
    bool exclusive = false;
  };
  int before(const MutationEvent& event) override EXCLUDES(mutex_);
  size_t size() EXCLUDES(mutex_);
  std::vector<Operation> take() EXCLUDES(mutex_);

 private:
  Mutex mutex_;
  std::vector<Operation> operations_ GUARDED_BY(mutex_);
};

// Obeys HOLDFAST_FAULT, by which a test drives the real program from outside; does nothing where it is unset:
//   kill:N          exit with status 137 before the Nth mutation
//   errno:N:NAME    the Nth mutation fails with EIO, ENOSPC, EDQUOT, EACCES, EROFS, EMFILE or EINTR
//   errno:N+:NAME   the Nth and all later ones fail
//   count:FILE      the number of mutations is written to FILE when the process ends
// `invalid` if it is none of these. Called once, by main.
Status arm_faults_from_environment();

}  // namespace holdfast::os
