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

// A version that stands in the bucket; no more than matters, since a key may have very many.
struct VersionThere {
  explicit VersionThere(aws::s3::ListedVersion listed);
  std::string version_id, etag;
  uint64_t size_bytes = 0;
  bool is_delete_marker = false;
};

// Says which versions of one key are to be written so that afterwards the wanted ones stand in the bucket in their
// order, the newest of them on top. Nothing can be put beneath what is there: from the first that is missing on all are
// written; if none is, but others came after, the newest once more.
//
// Versions are the same by their ids; in another bucket, where none has its old id, by ETag and size.
class VersionMatch {
 public:
  VersionMatch() = default;
  explicit VersionMatch(std::vector<VersionThere> oldest_first);
  // Told the wanted versions one after the other, the oldest first.
  bool must_write(const WantedVersion& wanted, bool is_newest);
  // Instead, of one that cannot be written whatever comes of it: whether it stands where it belongs.
  bool is_there(const WantedVersion& wanted);
  // Of the one told last, where it is there already.
  const std::string& id_there() const { return there_[next_ - 1].version_id; }

 private:
  bool has_id(const std::string& version_id) const;
  // Its place, from next_ on.
  size_t find(const WantedVersion& wanted) const;

  std::vector<VersionThere> there_;
  std::vector<size_t> by_id_;
  size_t next_ = 0;           // All before it was compared.
  bool has_missed_ = false;   // One that was to be there.
  bool has_gap_ = false;      // One that cannot be written.
};

}  // namespace holdfast::target
