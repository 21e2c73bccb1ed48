// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <ctime>

namespace holdfast::os {

// The calendar of this machine's time zone (TZ, else /etc/localtime), for people to read.
std::tm local_time(int64_t seconds_since_1970);

}  // namespace holdfast::os
