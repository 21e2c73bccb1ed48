// SPDX-License-Identifier: Apache-2.0
#include "os/remove_folder.h"

#include <vector>

#include "os/file.h"

namespace holdfast::os {

Status remove_folder(const std::string& path) {
  // Folders come before what is in them, so that they are empty when it is their turn from the end.
  std::vector<std::string> folders{path};
  for (size_t at = 0; at < folders.size(); ++at) {
    for (const DirectoryItem& item : TRY(list_directory_at(at_cwd, folders[at]))) {
      std::string inner = folders[at] + "/" + item.name;
      if (item.kind == FileKind::directory) {
        folders.push_back(std::move(inner));
      } else {
        TRY_DO(unlink_at(at_cwd, inner));
      }
    }
  }
  for (auto folder = folders.rbegin(); folder != folders.rend(); ++folder) TRY_DO(remove_directory_at(at_cwd, *folder));
  return {};
}

}  // namespace holdfast::os
