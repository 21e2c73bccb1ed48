// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/mutex.h"
#include "base/seams.h"
#include "format/file_attributes.h"
#include "os/file_metadata.h"
#include "source/filetree/directory_lister.h"
#include "source/source.h"

namespace holdfast::source {

// Names of users and groups, each asked for once. Any thread; views stay valid.
class OwnerNames {
 public:
  std::string_view user(uint32_t user_id) EXCLUDES(mutex_);
  std::string_view group(uint32_t group_id) EXCLUDES(mutex_);

 private:
  Mutex mutex_;
  std::unordered_map<uint32_t, std::string> users_ GUARDED_BY(mutex_), groups_ GUARDED_BY(mutex_);
};

// What everything found by one source shares and outlives.
struct FileContext {
  Clock& clock;
  ChangeDetection change_detection = ChangeDetection::full;
  OwnerNames owners;
};

// No file system is known to allow so many; it bounds what a hostile one can make us hold.
inline constexpr size_t xattrs_size_bytes_max = 4 << 20;

// Where a child lies.
struct FilePlace {
  std::shared_ptr<DirectoryHandle> directory;
  uint64_t device = 0;     // The child's; for telling hard links.
  uint64_t link_salt = 0;  // DirectoryListing::link_salt.
  bool follow = false;     // The name is a directory on the way to a root and may be a symlink to it.
};

// Turns a child found by the scan into an item without its key: attributes, symlink target, extended attributes; of
// regular files the content, whose finish() replaces the attributes.
Result<Item> make_file_item(FileContext& context, const FilePlace& place, const ChildState& child);

// Of a child of which nothing but this is to be had.
Bytes bare_attributes(FileContext& context, const ChildState& child);

}  // namespace holdfast::source
