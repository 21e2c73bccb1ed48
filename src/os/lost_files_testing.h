// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <filesystem>
#include <string>

#include "os/fd.h"

// Disks that lose what was written to them, for tests of what lies in nameless files.
namespace holdfast::os {

// A file beneath `folder` that this process holds open, whether or not it has a name; none: an empty Fd.
inline Fd open_again(const std::string& folder) {
  for (const auto& one : std::filesystem::directory_iterator("/proc/self/fd")) {
    std::error_code gone;
    const auto target = std::filesystem::read_symlink(one.path(), gone);
    if (!gone && target.string().starts_with(folder)) return Fd(::open(one.path().c_str(), O_RDWR | O_CLOEXEC));
  }
  return {};
}

// False if there is no such file.
inline bool lose_open_file_in(const std::string& folder) { return ::ftruncate(open_again(folder).get(), 0) == 0; }

}  // namespace holdfast::os
