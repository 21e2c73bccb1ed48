// SPDX-License-Identifier: Apache-2.0
#include "os/environment.h"

#include <limits.h>
#include <pwd.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <memory>

#include "os/errno_error.h"
#include "os/file.h"

namespace holdfast::os {

namespace {

constexpr size_t secret_size_bytes_max = 4096;

struct Account {
  std::string name;
  std::string home;
};

std::optional<Account> account() {
  std::array<char, 16 * 1024> buffer{};
  passwd entry{};
  passwd* found = nullptr;
  if (::getpwuid_r(::geteuid(), &entry, buffer.data(), buffer.size(), &found) != 0) return std::nullopt;
  if (found == nullptr) return std::nullopt;
  return Account{.name = entry.pw_name, .home = entry.pw_dir};
}

// Typed bytes arrive one by one, unseen, and Ctrl-C as a byte rather than as a signal: so nothing can end the process
// while the terminal is silent.
class SilentTerminal {
 public:
  explicit SilentTerminal(int fd) : fd_(fd), is_set_(::tcgetattr(fd, &before_) == 0) {
    if (!is_set_) return;
    termios silent = before_;
    silent.c_lflag &= ~static_cast<tcflag_t>(ECHO | ICANON | ISIG);
    silent.c_cc[VMIN] = 1;
    silent.c_cc[VTIME] = 0;
    is_set_ = ::tcsetattr(fd, TCSAFLUSH, &silent) == 0;
  }
  ~SilentTerminal() {
    if (is_set_) ::tcsetattr(fd_, TCSAFLUSH, &before_);
  }
  SilentTerminal(const SilentTerminal&) = delete;
  SilentTerminal& operator=(const SilentTerminal&) = delete;
  bool is_set() const { return is_set_; }
  bool is(cc_t typed, size_t role) const { return typed == before_.c_cc[role] && typed != _POSIX_VDISABLE; }

 private:
  int fd_;
  termios before_{};
  bool is_set_;
};

void erase_character(std::string& text) {
  const auto is_continuation = [](char c) { return (static_cast<unsigned char>(c) & 0xc0) == 0x80; };
  while (!text.empty() && is_continuation(text.back())) text.pop_back();
  if (!text.empty()) text.pop_back();
}

Result<std::string> read_silent_line(int fd, const SilentTerminal& terminal) {
  const Error cancelled(ErrorCode::cancelled, "prompt: nothing was entered");
  std::string text;
  text.reserve(secret_size_bytes_max);  // Never moved, so no copies stay behind in memory.
  for (;;) {
    char typed = 0;
    const ssize_t n = ::read(fd, &typed, 1);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno_error(errno, "read from terminal");
    const auto key = static_cast<cc_t>(typed);
    if (n == 0 || terminal.is(key, VINTR) || terminal.is(key, VQUIT)) return cancelled;
    if (typed == '\n' || typed == '\r') return text;
    if (terminal.is(key, VEOF)) {
      if (text.empty()) return cancelled;
      return text;
    }
    if (terminal.is(key, VERASE) || typed == '\b' || typed == 0x7f) {
      erase_character(text);
    } else if (terminal.is(key, VKILL)) {
      text.clear();
    } else if (text.size() < secret_size_bytes_max) {
      text.push_back(typed);
    }
  }
}

}  // namespace

std::optional<std::string> environment_variable(PathArg name) {
  // Nothing here changes the environment.
  const char* value = std::getenv(name.c_str());  // NOLINT(concurrency-mt-unsafe)
  if (value == nullptr) return std::nullopt;
  return std::string(value);
}

std::string host_name() {
  std::array<char, HOST_NAME_MAX + 1> name{};
  if (::gethostname(name.data(), name.size() - 1) != 0) return "localhost";
  return name.data();
}

uint32_t user_id() { return ::geteuid(); }
bool is_root() { return ::geteuid() == 0; }

std::string user_name() {
  const std::optional<Account> found = account();
  return found ? found->name : std::to_string(::geteuid());
}

Result<std::string> current_directory() {
  std::array<char, PATH_MAX> path{};
  if (::getcwd(path.data(), path.size()) == nullptr) return errno_error(errno, "current directory");
  return std::string(path.data());
}

Result<std::string> user_folder(UserFolder folder) {
  const char* variable = "XDG_STATE_HOME";
  std::string_view beneath_home = "/.local/state";
  if (folder == UserFolder::config) {
    variable = "XDG_CONFIG_HOME";
    beneath_home = "/.config";
  } else if (folder == UserFolder::cache) {
    variable = "XDG_CACHE_HOME";
    beneath_home = "/.cache";
  }
  const std::optional<std::string> base = environment_variable(variable);
  if (base && base->starts_with('/')) return *base + "/holdfast";  // Relative ones are to be ignored, says XDG.
  std::string home = environment_variable("HOME").value_or("");
  if (!home.starts_with('/')) {
    const std::optional<Account> found = account();
    if (!found || !found->home.starts_with('/')) {
      return Error(ErrorCode::not_found, std::string("neither HOME nor ") + variable + " is set");
    }
    home = found->home;
  }
  home += beneath_home;
  return home + "/holdfast";
}

bool is_terminal(int fd) { return ::isatty(fd) == 1; }

std::optional<unsigned> terminal_width(int fd) {
  winsize size{};
  if (::ioctl(fd, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return std::nullopt;
  return size.ws_col;
}

Result<std::string> prompt_secret(std::string_view prompt) {
  const Result<Fd> terminal = open("/dev/tty", {.access = Access::read_write});
  if (!terminal) return Error(ErrorCode::unsupported, "prompt: there is no terminal to ask on");
  const SilentTerminal silent(terminal->get());
  if (!silent.is_set()) return Error(ErrorCode::unsupported, "prompt: the terminal cannot be silenced");
  TRY_DO(write_full(terminal->get(), as_bytes(prompt)));
  Result<std::string> answer = read_silent_line(terminal->get(), silent);
  TRY_DO(write_full(terminal->get(), as_bytes("\n")));
  return answer;
}

}  // namespace holdfast::os
