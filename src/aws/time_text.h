// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/seams.h"

// Moments as AWS writes them, always in UTC.
namespace holdfast::aws {

std::string compact_time(UnixTimeNs time);                              // 20150830T123600Z
std::optional<UnixTimeNs> parse_compact_time(std::string_view text);
std::string http_date(UnixTimeNs time);                                 // Sun, 30 Aug 2015 12:36:00 GMT
std::string iso_time(UnixTimeNs time);                                  // 2015-08-30T12:36:00.000Z
std::optional<UnixTimeNs> parse_http_date(std::string_view text);       // Sun, 30 Aug 2015 12:36:00 GMT
// 2015-08-30T12:36:00[.123][Z]; an offset from UTC is not understood.
std::optional<UnixTimeNs> parse_iso_time(std::string_view text);

}  // namespace holdfast::aws
