// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include "base/error.h"

namespace holdfast {

inline constexpr std::string_view newer_hint = "Update this Holdfast; nothing is wrong with what is stored.";

// What later versions write and this one does not know (docs/format.md 14): `unsupported`, never taken for damage.
inline Error made_by_newer(std::string what) {
  return Error(ErrorCode::unsupported, std::move(what) + ": made by a newer version of Holdfast, unknown to this one")
      .with_hint(std::string(newer_hint));
}

// Told from what else is `unsupported`, such as a device that has gone (ENODEV).
inline bool is_made_by_newer(const Error& error) {
  return error.code() == ErrorCode::unsupported && error.hint() == newer_hint;
}

}  // namespace holdfast
