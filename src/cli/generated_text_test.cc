// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <set>

#include "cli/command.h"
#include "cli/completion.h"
#include "cli/man.h"
#include "os/file.h"
#include "os/process.h"
#include "os/testing.h"

namespace holdfast::cli {
namespace {

// What a shell command prints with `text` in a file as its last argument; fails the test unless it ends with 0.
std::string output_of(const std::string& command, const std::string& text) {
  const os::TemporaryFolder folder;
  EXPECT_TRUE(os::write_durably(folder.path("text"), as_bytes(text), 0600, os::Existing::replace).has_value());
  const auto outcome = os::run_command(command + " " + folder.path("text") + " 2>&1",
                                       {.environment = {}, .standard_output = os::StandardOutput::capture});
  EXPECT_TRUE(outcome.has_value());
  if (!outcome) return "";
  EXPECT_EQ(outcome->exit_status, 0) << outcome->output;
  return outcome->output;
}

bool is_there(const std::string& program) {
  const auto outcome = os::run_command("command -v " + program, {.environment = {}});
  return outcome && outcome->exit_status == 0;
}

TEST(Completion, bash_reads_it_without_a_word) {
  if (!is_there("bash")) GTEST_SKIP() << "no bash here";
  EXPECT_EQ(output_of("bash -n", bash_completion()), "");
}

TEST(Completion, bash_completes_commands_and_options) {
  if (!is_there("bash")) GTEST_SKIP() << "no bash here";
  const auto completed = [](const std::string& words, size_t place) {
    return output_of("bash --norc", bash_completion() + "\nCOMP_WORDS=(" + words + "); COMP_CWORD=" +
                                        std::to_string(place) + "; _holdfast; echo \"${COMPREPLY[*]}\"\n");
  };
  EXPECT_EQ(completed("holdfast rest", 1), "restore\n");
  EXPECT_EQ(completed("holdfast vault cr", 2), "create\n");
  EXPECT_EQ(completed("holdfast --vault /x rest", 3), "restore\n");
  EXPECT_EQ(completed("holdfast restore --overw", 2), "--overwrite\n");
  EXPECT_EQ(completed("holdfast restore lat", 2), "latest\n");
}

TEST(Completion, every_shell_gets_every_command_and_option) {
  for (const std::string& script : {bash_completion(), zsh_completion(), fish_completion()}) {
    for (const Command& command : command_table()) {
      EXPECT_NE(script.find(command.name.substr(0, command.name.find(' '))), std::string::npos) << command.name;
      for (const Option& option : command.options) EXPECT_NE(script.find(option.name), std::string::npos) << option.name;
    }
  }
}

TEST(Completion, zsh_and_fish_read_theirs_where_they_are_there) {
  if (!is_there("zsh") && !is_there("fish")) GTEST_SKIP() << "neither zsh nor fish here";
  if (is_there("zsh")) {
    EXPECT_EQ(output_of("zsh -n", zsh_completion()), "");
  }
  if (is_there("fish")) {
    EXPECT_EQ(output_of("fish -n", fish_completion()), "");
  }
}

TEST(ManPage, man_formats_each_without_a_warning) {
  if (!is_there("groff")) GTEST_SKIP() << "no groff here";
  const std::string lint = "groff -mandoc -Tascii -ww -b -z";
  EXPECT_EQ(output_of(lint, man_page_of_all()), "");
  for (const Command& command : command_table()) EXPECT_EQ(output_of(lint, man_page(command)), "") << command.name;
}

TEST(ManPage, names_everything_the_table_has) {
  std::set<std::string> names;
  for (const Command& command : command_table()) {
    EXPECT_TRUE(names.insert(man_page_name(command)).second) << command.name;
    const std::string page = man_page(command);
    for (const Option& option : command.options) {
      std::string name(option.name);
      for (size_t at = 0; (at = name.find('-', at)) != std::string::npos; at += 2) name.insert(at, "\\");
      EXPECT_NE(page.find("Fl Fl " + name), std::string::npos) << command.name << " " << option.name;
    }
    EXPECT_NE(man_page_of_all().find(man_page_name(command)), std::string::npos);
  }
}

}  // namespace
}  // namespace holdfast::cli
