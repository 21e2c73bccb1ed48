// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"

namespace holdfast::aws {

// The standard alphabet with padding.
std::string to_base64(ByteView bytes);
// Nothing for what to_base64() does not write.
std::optional<Bytes> from_base64(std::string_view text);

}  // namespace holdfast::aws
