// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "os/fd.h"

// Who and where we are: environment variables, user, host, standard folders, the terminal.
namespace holdfast::os {

// Nothing if it is unset; an empty value is a value.
std::optional<std::string> environment_variable(PathArg name);

std::string host_name();
uint32_t user_id();
bool is_root();
// The account's name, or the number where it has none.
std::string user_name();
Result<std::string> current_directory();

// Folders of the user's own by the XDG rules, with "/holdfast" appended; they need not exist.
// `not_found` where neither the variable nor a home folder is known.
enum class UserFolder { config, cache, state };
Result<std::string> user_folder(UserFolder folder);

bool is_terminal(int fd);
// Columns of the terminal behind `fd`, or nothing if it is none.
std::optional<unsigned> terminal_width(int fd);

// Shows `prompt` on the controlling terminal and reads a line from it without showing what is typed. `unsupported` if
// there is no terminal, `cancelled` if the person pressed Ctrl-C or closed the input. The terminal's settings are back
// on return. The caller wipes the answer.
Result<std::string> prompt_secret(std::string_view prompt);

}  // namespace holdfast::os
