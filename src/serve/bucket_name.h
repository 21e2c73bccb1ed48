// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

#include "base/result.h"

namespace holdfast::serve {

// `invalid` unless S3 would take it: 3 to 63 lower-case letters, digits, dots and hyphens, with a letter or digit at
// both ends, no two dots together and no IP address.
Status check_bucket_name(std::string_view name);

}  // namespace holdfast::serve
