// SPDX-License-Identifier: Apache-2.0
#include "os/local_time.h"

namespace holdfast::os {

std::tm local_time(int64_t seconds_since_1970) {
  const auto seconds = static_cast<std::time_t>(seconds_since_1970);
  std::tm calendar{};
  localtime_r(&seconds, &calendar);
  return calendar;
}

}  // namespace holdfast::os
