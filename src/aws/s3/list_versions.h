// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "aws/s3/bucket.h"

namespace holdfast::aws::s3 {

struct ListVersions {
  std::string_view prefix = {};
  std::string_view key_marker = {};         // Only what follows this key; with a version, what follows that.
  std::string_view version_id_marker = {};  // REQUIRES: a key marker.
  uint32_t count_max = 1000;
  // Some servers begin with the key of the marker itself: only who takes that away may say so.
  bool may_begin_with_marker = false;
};

struct ListedVersion {
  std::string key;
  std::string version_id;  // "null" of objects without versions.
  bool is_delete_marker = false;
  bool is_latest = false;
  UnixTimeNs modified = 0;  // Whole seconds.
  uint64_t size_bytes = 0;
  std::string etag;        // Without quotes.
  std::string storage_class;
  bool is_thawed = false;  // Archived, but readable for a while.
};

struct ListVersionsPage {
  // By ascending key. Versions of one key are as the server wrote them: the newest first, except that some servers
  // write all delete markers of a page behind all other versions.
  std::vector<ListedVersion> versions;
  bool is_truncated = false;
  std::string next_key_marker, next_version_id_marker;
};

// One page (ListObjectVersions). `corrupt` unless every key begins with `prefix` and sorts behind the marker (or equals
// it, where a version or the caller lets it), and a truncated page leads onward: so walking from page to page cannot go
// in circles among keys whatever a server sends.
Result<ListVersionsPage> list_versions(const Bucket& bucket, const ListVersions& request, std::stop_token stop = {});

}  // namespace holdfast::aws::s3
