// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include "target/filetree/run.h"

namespace holdfast::target::filetree {

inline constexpr std::string_view temporary_prefix = ".holdfast-";

// Where a file called `name` grows.
std::string lasting_temporary_name(const std::string& name);
// For names that live only as long as it takes to rename them.
std::string random_temporary_name();

// Where a file grows until it is whole. The name follows from the final name, so that a later run finds what an
// interrupted one left; the lock keeps two writers apart.
struct Temporary {
  os::Fd fd;            // Read and write; locked.
  std::string name;
  bool adopted = false; // Left by an earlier run: holds bytes already.
};
Result<Temporary> open_temporary(Run& run, const Folder& folder, int dir_fd, const std::string& name);

// Removes what an earlier run left, if it will not be taken up.
void discard_temporary(const Run& run, const Folder& folder, int dir_fd, const std::string& name);

// Gives a finished temporary its final name: `changed` if it is not the file it was, with `expect_none` `conflict` if
// the name has been taken meanwhile.
Status publish_temporary(Run& run, const Temporary& temporary, int dir_fd, const std::string& name,
                         bool expect_none);

}  // namespace holdfast::target::filetree
