// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>

#include "base/bytes.h"
#include "base/result.h"

namespace holdfast::store {

// Writes `parts` one after another to the new, empty file `fd`, large ones past the page cache where the file system
// can: a copy through the cache costs many times the CPU of the write itself. Not synced.
Status write_parts(int fd, std::span<const ByteView> parts);

}  // namespace holdfast::store
