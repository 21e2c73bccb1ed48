// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <string>

#include "base/bytes.h"
#include "base/result.h"

namespace holdfast::aws {

// The members of a JSON object that are strings or numbers, as text; all others are left out. `corrupt` if it is none.
Result<std::map<std::string, std::string>> parse_flat_json(ByteView text);

}  // namespace holdfast::aws
