// SPDX-License-Identifier: Apache-2.0
#include "os/process.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>

#include "os/errno_error.h"
#include "os/fd.h"
#include "os/file.h"

namespace holdfast::os {

namespace {

constexpr int exit_status_of_signals = 128;

bool is_replaced(const char* entry, const CommandOptions& options) {
  for (const auto& [name, value] : options.environment) {
    if (std::strncmp(entry, name.c_str(), name.size()) == 0 && entry[name.size()] == '=') return true;
  }
  return false;
}

std::vector<std::string> merged_environment(const CommandOptions& options) {
  std::vector<std::string> merged;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    if (!is_replaced(*entry, options)) merged.emplace_back(*entry);
  }
  for (const auto& [name, value] : options.environment) merged.push_back(name + "=" + value);
  return merged;
}

// What posix_spawn wants, freed at the end.
class SpawnPlan {
 public:
  SpawnPlan() {
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawnattr_init(&attributes);
  }
  ~SpawnPlan() {
    ::posix_spawn_file_actions_destroy(&actions);
    ::posix_spawnattr_destroy(&attributes);
  }
  SpawnPlan(const SpawnPlan&) = delete;
  SpawnPlan& operator=(const SpawnPlan&) = delete;

  posix_spawn_file_actions_t actions{};
  posix_spawnattr_t attributes{};
};

void reset_signals(SpawnPlan& plan) {
  sigset_t defaults;
  sigset_t none;
  ::sigemptyset(&none);
  ::sigemptyset(&defaults);
  for (const int number : {SIGINT, SIGTERM, SIGPIPE, SIGHUP, SIGQUIT}) ::sigaddset(&defaults, number);
  ::posix_spawnattr_setsigmask(&plan.attributes, &none);
  ::posix_spawnattr_setsigdefault(&plan.attributes, &defaults);
  ::posix_spawnattr_setflags(&plan.attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
}

Result<pid_t> spawn_shell(const std::string& command_line, const CommandOptions& options, int output_fd) {
  SpawnPlan plan;
  ::posix_spawn_file_actions_addopen(&plan.actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  ::posix_spawn_file_actions_adddup2(&plan.actions, output_fd, STDOUT_FILENO);
  reset_signals(plan);
  std::vector<std::string> environment = merged_environment(options);
  std::vector<char*> environment_pointers;
  for (std::string& entry : environment) environment_pointers.push_back(entry.data());
  environment_pointers.push_back(nullptr);
  std::string shell = "sh", option = "-c", command = command_line;
  std::array<char*, 4> arguments = {shell.data(), option.data(), command.data(), nullptr};
  pid_t pid = 0;
  const int failed = ::posix_spawn(&pid, "/bin/sh", &plan.actions, &plan.attributes, arguments.data(),
                                   environment_pointers.data());
  if (failed != 0) return errno_error(failed, "run /bin/sh");
  return pid;
}

// Reads to the end even when there is too much, so that the command is not stopped by a full pipe.
Result<std::string> drain(int fd, size_t size_bytes_max) {
  std::string text;
  std::array<std::byte, 4096> buffer{};
  bool is_too_long = false;
  for (;;) {
    const size_t n = TRY(read_full(fd, buffer));
    if (n == 0) break;
    if (text.size() + n > size_bytes_max) is_too_long = true;
    if (!is_too_long) text += as_text(ByteView(buffer).first(n));
  }
  if (is_too_long) return Error(ErrorCode::invalid, "the command printed too much");
  return text;
}

Result<int> wait_for(pid_t pid) {
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0) {
    if (errno != EINTR) return errno_error(errno, "wait for command");
  }
  if (WIFSIGNALED(status)) return exit_status_of_signals + WTERMSIG(status);
  return WEXITSTATUS(status);
}

}  // namespace

Result<CommandOutcome> run_command(const std::string& command_line, const CommandOptions& options) {
  const bool captures = options.standard_output == StandardOutput::capture;
  std::array<int, 2> ends = {-1, -1};
  if (captures && ::pipe2(ends.data(), O_CLOEXEC) != 0) return errno_error(errno, "pipe");
  const int own_output_fd = options.standard_output == StandardOutput::inherit ? STDOUT_FILENO : STDERR_FILENO;
  const Fd reading(ends[0]);
  Fd writing(ends[1]);
  const pid_t pid = TRY(spawn_shell(command_line, options, captures ? writing.get() : own_output_fd));
  writing.reset();
  CommandOutcome outcome;
  Result<std::string> output = captures ? drain(reading.get(), options.output_size_bytes_max) : std::string();
  outcome.exit_status = TRY(wait_for(pid));
  outcome.output = TRY(std::move(output));
  return outcome;
}

}  // namespace holdfast::os
