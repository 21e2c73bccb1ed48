// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "base/result.h"

namespace holdfast::os {

enum class StandardOutput {
  capture,    // Into CommandOutcome::output.
  to_stderr,  // So that a hook's chatter does not mix with ours.
  inherit,    // Ours: what it prints is what was asked for.
};

struct CommandOptions {
  std::vector<std::pair<std::string, std::string>> environment;  // Added to ours, replacing equal names.
  StandardOutput standard_output = StandardOutput::to_stderr;
  size_t output_size_bytes_max = 1 << 20;  // A command that prints more is `invalid` (and has been waited for).
};

struct CommandOutcome {
  int exit_status = 0;  // As a shell reports it: 128 + number if a signal ended it, 127 if there is no such program.
  std::string output;
};

// Runs `command_line` by /bin/sh -c and waits for it, however long it takes. Its standard input is empty. It gets the
// default signal handlers, so that Ctrl-C ends it too.
Result<CommandOutcome> run_command(const std::string& command_line, const CommandOptions& options);

}  // namespace holdfast::os
