// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "aws/s3/list_versions.h"

namespace holdfast::target {

// A version as a point has it.
struct WantedVersion {
  bool is_delete_marker = false;
  uint64_t size_bytes = 0;
  std::string etag;
  std::string version_id;
};

// Which versions of one key are to be written so that afterwards the wanted ones stand in the bucket in their order,
// the newest of them on top. Nothing can be put beneath what is there: from the first that is missing on all are
// written; if none is, but others came after, the newest once more. Both lists: the oldest first.
//
// Versions are the same by their ids; in another bucket, where none has its old id, by ETag and size.
std::vector<bool> choose_versions_to_write(const std::vector<WantedVersion>& wanted,
                                           const std::vector<aws::s3::ListedVersion>& there);

}  // namespace holdfast::target
