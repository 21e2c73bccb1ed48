// SPDX-License-Identifier: Apache-2.0
#pragma once

// Which of libfuse's interfaces: the same for every file that includes its headers.
#define FUSE_USE_VERSION 314
#include <fuse_lowlevel.h>

namespace holdfast::mount {

// The calls of libfuse's low-level interface, answered by the FileSystem that is the session's user data.
const fuse_lowlevel_ops& fuse_operations();

}  // namespace holdfast::mount
