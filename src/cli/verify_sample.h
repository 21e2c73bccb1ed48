// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

#include "job/verify.h"

namespace holdfast::cli {

// "10%" or "1/7"; `invalid` with a hint otherwise.
Result<job::VerifySample> parse_sample(std::string_view text);

}  // namespace holdfast::cli
