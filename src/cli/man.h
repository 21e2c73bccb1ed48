// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "cli/command.h"

namespace holdfast::cli {

// "holdfast-key-add"
std::string man_page_name(const Command& command);
// Manual pages in mdoc(7): of one command, and of the program with all its commands.
std::string man_page(const Command& command);
std::string man_page_of_all();

}  // namespace holdfast::cli
