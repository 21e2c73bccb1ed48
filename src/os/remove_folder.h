// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "base/result.h"

namespace holdfast::os {

// Removes a folder of ours and all in it; links are not followed.
Status remove_folder(const std::string& path);

}  // namespace holdfast::os
