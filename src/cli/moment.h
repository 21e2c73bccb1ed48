// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

#include "base/result.h"
#include "base/seams.h"

namespace holdfast::cli {

// "2026-11-22T21:25:00Z", the same with an offset ("+02:00") or without seconds, or seconds since 1970. `invalid`
// otherwise; a moment without offset is one in UTC.
Result<UnixTimeNs> parse_moment(std::string_view text);

}  // namespace holdfast::cli
