// SPDX-License-Identifier: Apache-2.0
#include "os/mutation.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstdlib>

#include "os/reading.h"

namespace holdfast::os {

namespace internal {
std::atomic<MutationObserver*> mutation_observer = nullptr;
std::atomic<ReadObserver*> read_observer = nullptr;
}

namespace {

constexpr int exit_status_killed = 137;  // What a shell reports for SIGKILL.

constexpr std::array<std::string_view, 19> mutation_names = {
    "create",      "write",          "truncate",         "allocate",     "sync",
    "sync_directory", "sync_filesystem", "rename",       "link",         "unlink",
    "make_directory", "remove_directory", "make_node",   "symlink",      "change_mode",
    "change_owner",   "change_times",     "change_xattr", "change_flags"};

struct NamedErrno {
  std::string_view name;
  int value;
};
constexpr std::array<NamedErrno, 7> named_errnos = {{{"EIO", EIO},
                                                     {"ENOSPC", ENOSPC},
                                                     {"EDQUOT", EDQUOT},
                                                     {"EACCES", EACCES},
                                                     {"EROFS", EROFS},
                                                     {"EMFILE", EMFILE},
                                                     {"EINTR", EINTR}}};

std::string path_of_fd(int fd) {
  std::array<char, 4096> target{};
  const std::string link = "/proc/self/fd/" + std::to_string(fd);
  const ssize_t size = ::readlink(link.c_str(), target.data(), target.size());
  return size < 0 ? std::string() : std::string(target.data(), static_cast<size_t>(size));
}

std::string absolute(int dir_fd, const char* path) {
  constexpr std::string_view by_fd = "/proc/self/fd/";
  if (std::string_view(path).starts_with(by_fd)) return path_of_fd(std::atoi(path + by_fd.size()));
  if (path[0] == '/') return path;
  if (dir_fd >= 0) return path_of_fd(dir_fd) + "/" + path;
  std::array<char, 4096> cwd{};
  if (::getcwd(cwd.data(), cwd.size()) == nullptr) return path;
  return std::string(cwd.data()) + "/" + path;
}

Error bad_fault(std::string_view text) {
  return Error(ErrorCode::invalid, "HOLDFAST_FAULT: cannot read '" + std::string(text) + "'");
}

FaultObserver* armed = nullptr;
std::string* count_file = nullptr;

void write_count() {
  std::FILE* file = std::fopen(count_file->c_str(), "w");
  if (file == nullptr) return;
  std::fprintf(file, "%llu\n", static_cast<unsigned long long>(armed->count()));
  std::fclose(file);
}

Result<FaultObserver::Plan> parse_plan(std::string_view text) {
  FaultObserver::Plan plan;
  const bool kill = text.starts_with("kill:");
  if (!kill && !text.starts_with("errno:")) return bad_fault(text);
  std::string_view rest = text.substr(text.find(':') + 1);
  const auto [end, failed] = std::from_chars(rest.data(), rest.data() + rest.size(), plan.trigger);
  if (failed != std::errc() || plan.trigger == 0) return bad_fault(text);
  rest.remove_prefix(static_cast<size_t>(end - rest.data()));
  if (kill) {
    if (!rest.empty()) return bad_fault(text);
    return plan;
  }
  if (rest.starts_with('+')) {
    plan.persistent = true;
    rest.remove_prefix(1);
  }
  if (!rest.starts_with(':')) return bad_fault(text);
  rest.remove_prefix(1);
  for (const NamedErrno& candidate : named_errnos) {
    if (candidate.name == rest) plan.errno_value = candidate.value;
  }
  if (plan.errno_value == 0) return bad_fault(text);
  return plan;
}

}  // namespace

std::string_view to_string(Mutation op) { return mutation_names[static_cast<size_t>(op)]; }

void set_mutation_observer(MutationObserver* observer) {
  internal::mutation_observer.store(observer, std::memory_order_release);
}

void set_read_observer(ReadObserver* observer) {
  internal::read_observer.store(observer, std::memory_order_release);
}

int FaultObserver::before(const MutationEvent&) {
  const uint64_t number = count_.fetch_add(1, std::memory_order_relaxed) + 1;
  if (plan_.trigger == 0 || number < plan_.trigger) return 0;
  if (number > plan_.trigger && !plan_.persistent) return 0;
  if (plan_.errno_value == 0) ::_exit(exit_status_killed);
  return plan_.errno_value;
}

int RecordingObserver::before(const MutationEvent& event) {
  Operation operation;
  operation.op = event.op;
  if (event.op == Mutation::symlink) {
    operation.path = event.path;
  } else {
    operation.path = event.fd >= 0 ? path_of_fd(event.fd) : absolute(event.dir_fd, event.path);
  }
  if (event.to_path[0] != '\0') operation.to_path = absolute(event.to_dir_fd, event.to_path);
  operation.offset_bytes = event.offset_bytes;
  if (event.offset_bytes == offset_current) {
    operation.offset_bytes = static_cast<uint64_t>(std::max<off_t>(::lseek(event.fd, 0, SEEK_CUR), 0));
  }
  operation.data = to_bytes(event.data);
  operation.exclusive = event.exclusive;
  const MutexLock lock(mutex_);
  operations_.push_back(std::move(operation));
  return 0;
}

size_t RecordingObserver::size() {
  const MutexLock lock(mutex_);
  return operations_.size();
}

std::vector<RecordingObserver::Operation> RecordingObserver::take() {
  const MutexLock lock(mutex_);
  return std::exchange(operations_, {});
}

Status arm_faults_from_environment() {
  const char* text = std::getenv("HOLDFAST_FAULT");  // NOLINT(concurrency-mt-unsafe): nothing changes it
  if (text == nullptr || armed != nullptr) return {};
  const std::string_view fault(text);
  // Never freed: other threads may pass a mutation point until the very end of the process.
  if (fault.starts_with("count:")) {
    armed = new FaultObserver(FaultObserver::Plan{});
    count_file = new std::string(fault.substr(6));
    std::atexit(write_count);
  } else {
    const FaultObserver::Plan plan = TRY(parse_plan(fault));
    armed = new FaultObserver(plan);
  }
  set_mutation_observer(armed);
  return {};
}

}  // namespace holdfast::os
