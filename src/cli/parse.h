// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <variant>
#include <vector>

#include "cli/command.h"

namespace holdfast::cli {

struct ParsedLine {
  const Command* command = nullptr;
  Arguments arguments;
};
// What to print instead of running a command.
struct HelpText {
  std::string text;
};
// `invalid` names what is wrong, with a hint how to get help.
Result<std::variant<ParsedLine, HelpText>> parse(const std::vector<std::string>& words);

std::string help_of(const Command& command);
std::string help_of_all();

}  // namespace holdfast::cli
