// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cli/command.h"

namespace holdfast::cli {

Command recover_command();

}  // namespace holdfast::cli
