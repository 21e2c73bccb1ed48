// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "base/result.h"
#include "os/fd.h"

namespace holdfast::target::filetree {

// The mark that a restore is under way: a small file in the target that names the machine's present life. A restore
// that was killed leaves everything it wrote in the kernel's hands, and its files can be told done from undone by size
// and time. A power cut may leave size and time of a file without its bytes. So the next run looks at the mark: if it
// is of another life, only contents are believed.
class UnfinishedMark {
 public:
  // `boot_id` names this life of the machine; empty: the kernel is asked.
  explicit UnfinishedMark(const std::string& boot_id);

  // Sets the mark durably, before anything else is changed. True if there was one of another life.
  // While it is set it is locked, so that nobody takes it for a leftover.
  Result<bool> set(int root_fd);
  // Takes it away, durably unless told otherwise, and leaves the folder's time of modification as it was. Leaves it if
  // somebody else restores into the folder, too. REQUIRES: what was restored is on the disk.
  Status clear(int root_fd, bool durably);

 private:
  const std::string boot_id_;
  os::Fd file_;
};

}  // namespace holdfast::target::filetree
