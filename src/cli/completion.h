// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace holdfast::cli {

// Scripts that complete commands, their options and, where a point is wanted, the names of points. Made from the
// command table.
std::string bash_completion();
std::string zsh_completion();
std::string fish_completion();

}  // namespace holdfast::cli
