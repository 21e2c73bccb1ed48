// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <vector>

#include "aws/s3/bucket.h"

namespace holdfast::aws::s3 {

struct ListObjects {
  std::string_view prefix = {};
  std::string_view start_after = {};   // Only keys that sort after it.
  uint32_t key_count_max = 1000;  // Servers send no more than 1000 a page whatever is asked.
  bool with_thawed = false;        // Asks for is_thawed.
};

struct ListedObject {
  std::string key;
  uint64_t size_bytes = 0;
  std::string etag;                      // As the server writes it, in quotes.
  std::string storage_class;
  std::optional<UnixTimeNs> modified = {};
  bool is_thawed = false;                // Archived, but readable for a while.
};

struct ListObjectsPage {
  std::vector<ListedObject> objects;
  bool is_truncated = false;  // More follow after the last one.
};

// One page (ListObjectsV2), in byte order of keys. `corrupt` unless every key begins with `prefix`, sorts after
// `start_after` and after the key before it, and a truncated page holds at least one: so walking page by page, each
// after the last key of the one before, cannot go in circles whatever a server sends.
Result<ListObjectsPage> list_objects(const Bucket& bucket, const ListObjects& request, std::stop_token stop = {});

}  // namespace holdfast::aws::s3
