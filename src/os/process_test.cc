// SPDX-License-Identifier: Apache-2.0
#include "os/process.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <condition_variable>
#include <csignal>
#include <cstdlib>
#include <mutex>

#include "os/file.h"
#include "os/signals.h"

namespace holdfast::os {
namespace {

CommandOutcome captured(const std::string& command_line, CommandOptions options = {}) {
  options.standard_output = StandardOutput::capture;
  return run_command(command_line, options).value();
}

TEST(Process, output_and_status_come_back) {
  const CommandOutcome outcome = captured("printf 'two\\nlines\\n'; exit 3");
  EXPECT_EQ(outcome.output, "two\nlines\n");
  EXPECT_EQ(outcome.exit_status, 3);
  EXPECT_EQ(captured("kill -9 $$").exit_status, 128 + SIGKILL);
  EXPECT_EQ(captured("/no/such/program 2>/dev/null").exit_status, 127);
  EXPECT_EQ(run_command("true", {})->exit_status, 0);
}

TEST(Process, standard_input_is_empty) { EXPECT_EQ(captured("cat; echo end").output, "end\n"); }

TEST(Process, added_variables_replace_ours) {
  ::setenv("HOLDFAST_TEST_A", "outer", 1);
  ::setenv("HOLDFAST_TEST_AB", "kept", 1);
  const CommandOptions options{.environment = {{"HOLDFAST_TEST_A", "inner"}, {"HOLDFAST_TEST_C", "with space"}}};
  EXPECT_EQ(captured("echo \"$HOLDFAST_TEST_A/$HOLDFAST_TEST_AB/$HOLDFAST_TEST_C\"", options).output,
            "inner/kept/with space\n");
}

TEST(Process, too_much_output_is_refused_after_the_command_ended) {
  const CommandOptions options{
      .environment = {}, .standard_output = StandardOutput::capture, .output_size_bytes_max = 1000};
  const auto outcome = run_command("head -c 300000 /dev/zero", options);
  ASSERT_FALSE(outcome.has_value());
  EXPECT_EQ(outcome.error().code(), ErrorCode::invalid);
}

TEST(Process, no_descriptor_of_ours_leaks_into_it) {
  const Fd ours = open("/", {.directory = true}).value();
  const std::string number = std::to_string(ours.get());
  EXPECT_EQ(captured("test -e /proc/$$/fd/" + number + " && echo leaked || echo closed").output, "closed\n");
}

TEST(Signals, the_first_asks_for_a_stop_and_the_second_kills) {
  const auto twice = [](int first, int second) {
    auto stop = StopOnSignals::install().value();
    std::mutex mutex;
    std::condition_variable_any stopped;
    std::raise(first);
    std::unique_lock lock(mutex);
    stopped.wait(lock, stop.token(), [] { return false; });
    if (StopOnSignals::received() != first) std::_Exit(1);
    std::raise(second);
    std::_Exit(2);
  };
  EXPECT_EXIT(twice(SIGINT, SIGINT), ::testing::KilledBySignal(SIGINT), "");
  EXPECT_EXIT(twice(SIGINT, SIGTERM), ::testing::KilledBySignal(SIGTERM), "");
}

TEST(Signals, without_a_signal_nothing_stops) {
  std::stop_token token;
  {
    const auto stop = StopOnSignals::install().value();
    token = stop.token();
    EXPECT_FALSE(token.stop_requested());
  }
  EXPECT_FALSE(token.stop_requested());
  EXPECT_EXIT(std::raise(SIGTERM), ::testing::KilledBySignal(SIGTERM), "") << "the default is back";
}

}  // namespace
}  // namespace holdfast::os
