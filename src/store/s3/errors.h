// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

#include "base/error.h"

namespace holdfast::store {

// What a server's error means for the object `key`.
Error object_error(const Error& error, std::string_view key);

}  // namespace holdfast::store
