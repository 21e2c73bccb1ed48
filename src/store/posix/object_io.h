// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>

#include "base/bytes.h"
#include "base/result.h"

namespace holdfast::store {

// Writes `parts` one after another to the new, empty file `fd`, large ones past the page cache where the file system
// can: a copy through the cache costs many times the CPU of the write itself. Not synced.
Status write_parts(int fd, std::span<const ByteView> parts);

// Fills `out` from `fd` at `offset_bytes`: the number of bytes read, less than asked only at the end of the file.
// Large aligned reads of what is not cached go past the page cache.
Result<size_t> read_range(int fd, uint64_t offset_bytes, MutableByteView out);

}  // namespace holdfast::store
