// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "base/error.h"

namespace holdfast {

// What later versions write and this one does not know (docs/format.md 14): `unsupported`, never taken for damage.
inline Error made_by_newer(std::string what) {
  return Error(ErrorCode::unsupported, std::move(what) + ": made by a newer version of Holdfast, unknown to this one")
      .with_hint("Update this Holdfast; nothing is wrong with what is stored.");
}

}  // namespace holdfast
