// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

#include "base/error.h"

namespace holdfast::os {

// What a caller may branch on when a system call failed with `errno_value`.
ErrorCode code_of_errno(int errno_value);

// "`what`: No such file or directory", with a hint where a person can do something about it. The two-part form puts a
// space between verb and path: "open /srv/vault: Permission denied".
Error errno_error(int errno_value, std::string_view what);
Error errno_error(int errno_value, std::string_view verb, std::string_view path);

}  // namespace holdfast::os
