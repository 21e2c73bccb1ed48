// SPDX-License-Identifier: Apache-2.0
#include "os/environment.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "os/file.h"
#include "os/testing.h"

namespace holdfast::os {
namespace {

TEST(Environment, unset_and_empty_differ) {
  ::unsetenv("HOLDFAST_TEST_X");
  EXPECT_FALSE(environment_variable("HOLDFAST_TEST_X").has_value());
  ::setenv("HOLDFAST_TEST_X", "", 1);
  EXPECT_EQ(environment_variable("HOLDFAST_TEST_X"), "");
}

TEST(Environment, the_machine_and_the_user_have_names) {
  EXPECT_FALSE(host_name().empty());
  EXPECT_FALSE(user_name().empty());
  EXPECT_EQ(is_root(), user_id() == 0);
  EXPECT_TRUE(current_directory()->starts_with('/'));
}

TEST(Environment, user_folders_follow_xdg) {
  ::setenv("HOME", "/somewhere/someone", 1);
  ::setenv("XDG_CACHE_HOME", "/fast/cache", 1);
  ::setenv("XDG_CONFIG_HOME", "relative/is/ignored", 1);
  ::unsetenv("XDG_STATE_HOME");
  EXPECT_EQ(*user_folder(UserFolder::cache), "/fast/cache/holdfast");
  EXPECT_EQ(*user_folder(UserFolder::config), "/somewhere/someone/.config/holdfast");
  EXPECT_EQ(*user_folder(UserFolder::state), "/somewhere/someone/.local/state/holdfast");
}

TEST(Environment, a_file_is_no_terminal) {
  TemporaryFolder folder;
  const Fd fd = open(folder.path(), {.directory = true}).value();
  EXPECT_FALSE(is_terminal(fd.get()));
  EXPECT_FALSE(terminal_width(fd.get()).has_value());
}

struct Answer {
  int exit_status = -1;
  std::string shown;  // All that appeared on the terminal.
};

// Prompts in a child that has a terminal of its own, types `typed` once the prompt is there, and has the child compare
// what it got with `expected`: 0 the same, 1 another, 2 cancelled.
Answer prompt_and_type(const std::string& typed, const std::string& expected) {
  Answer answer;
  const Fd master(::posix_openpt(O_RDWR | O_NOCTTY));
  EXPECT_TRUE(master.is_open());
  EXPECT_EQ(::grantpt(master.get()), 0);
  EXPECT_EQ(::unlockpt(master.get()), 0);
  const std::string name = ::ptsname(master.get());
  const pid_t pid = ::fork();
  if (pid == 0) {
    ::setsid();
    const int slave = ::open(name.c_str(), O_RDWR);
    ::ioctl(slave, TIOCSCTTY, 0);
    const Result<std::string> got = prompt_secret("Passphrase: ");
    termios after{};
    ::tcgetattr(slave, &after);
    if ((after.c_lflag & ECHO) == 0) ::_exit(3);
    if (!got) ::_exit(got.error().code() == ErrorCode::cancelled ? 2 : 4);
    ::_exit(*got == expected ? 0 : 1);
  }
  const auto read_some = [&] {
    char buffer[256];
    const ssize_t n = ::read(master.get(), buffer, sizeof buffer);
    if (n > 0) answer.shown.append(buffer, static_cast<size_t>(n));
    return n > 0;
  };
  while (answer.shown.find("Passphrase: ") == std::string::npos && read_some()) {
  }
  EXPECT_EQ(::write(master.get(), typed.data(), typed.size()), static_cast<ssize_t>(typed.size()));
  while (read_some()) {  // Fails when the child has closed its end.
  }
  int status = 0;
  ::waitpid(pid, &status, 0);
  answer.exit_status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  return answer;
}

TEST(Prompt, a_secret_is_read_and_never_shown) {
  const Answer answer = prompt_and_type("open sesame\n", "open sesame");
  EXPECT_EQ(answer.exit_status, 0);
  EXPECT_EQ(answer.shown.find("sesame"), std::string::npos) << answer.shown;
}

TEST(Prompt, typing_can_be_corrected) {
  EXPECT_EQ(prompt_and_type("wrong\x15sec\xc3\xa9\x7fret\r", "secret").exit_status, 0);
}

TEST(Prompt, control_c_and_end_of_input_cancel) {
  EXPECT_EQ(prompt_and_type("abc\x03", "").exit_status, 2);
  EXPECT_EQ(prompt_and_type("\x04", "").exit_status, 2);
}

}  // namespace
}  // namespace holdfast::os
