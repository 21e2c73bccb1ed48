// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cli/services.h"

namespace holdfast::cli {

inline constexpr std::string_view program_version = "0.1.0";

// The whole program: parses, runs the command, reports. Yields the exit code.
int run(Services& services, int argument_count, char** arguments);

}  // namespace holdfast::cli
