// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "base/result.h"
#include "os/fd.h"
#include "os/file.h"

// Opening what lies beneath a directory and nowhere else, whatever symlinks, magic links of /proc or mounts stand in
// the way or are put there meanwhile.
namespace holdfast::os {

// Whether a path may lead into another mount, bind mounts and automounts included.
enum class Mounts : uint8_t { stay, cross };

// `path` is relative to `dir_fd`: components joined by "/", none of them "..", empty for `dir_fd` itself; at most
// PATH_MAX bytes. No component may be a symlink, the last one included. Errors: `invalid` for a symlink, a mount point
// (Mounts::stay) or "..", `not_found` for what is missing or no directory where one must be. With options.create the
// call passes the mutation point.
Result<Fd> open_beneath(int dir_fd, PathArg path, const OpenOptions& options, Mounts mounts);
inline Result<Fd> open_directory_beneath(int dir_fd, PathArg path, Mounts mounts) {
  return open_beneath(dir_fd, path, {.directory = true}, mounts);
}

// The same without openat2(2), component by component, for kernels and sandboxes that lack it. open_beneath() turns to
// it by itself.
Result<Fd> open_beneath_by_steps(int dir_fd, PathArg path, const OpenOptions& options, Mounts mounts);

}  // namespace holdfast::os
