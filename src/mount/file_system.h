// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/stat.h>

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/mutex.h"
#include "mount/inode_table.h"
#include "mount/point_view.h"
#include "mount/top_folders.h"

// All that a mount shows, in words of inodes, without FUSE. Any thread.
namespace holdfast::mount {

// An open file. Immutable.
struct OpenFile {
  PointView* view = nullptr;
  format::Content content;
};

// An open folder. The kernel lists it in pieces, by a place that counts "." and ".." and then the children.
class OpenFolder {
 public:
  explicit OpenFolder(uint64_t inode) : inode_(inode) {}
  uint64_t inode() const { return inode_; }
  // The child nearest before `place` that is remembered, and its place; nothing: begin at the first.
  std::optional<std::pair<uint64_t, Bytes>> nearest(uint64_t place) EXCLUDES(mutex_);
  void passed(uint64_t place, ByteView key) EXCLUDES(mutex_);

 private:
  const uint64_t inode_;
  Mutex mutex_;
  std::map<uint64_t, Bytes> marks_ GUARDED_BY(mutex_);  // Every so many children, to seek back to.
  uint64_t last_place_ GUARDED_BY(mutex_) = 0;
  Bytes last_key_ GUARDED_BY(mutex_);
};

class FileSystem {
 public:
  // `points`: oldest first; `latest` is one of them, or none if that is not known. The vault outlives it.
  static Result<std::unique_ptr<FileSystem>> open(vault::Vault& vault, const std::vector<vault::PointInfo>& points,
                                                  const std::optional<ObjectId>& latest, size_t cache_size_bytes);

  // What is named. `not_found`. The kernel then holds the inode until it forgets it.
  Result<struct stat> look_up(uint64_t parent, std::string_view name);
  void forget(uint64_t inode, uint64_t lookup_count) { inodes_.forget(inode, lookup_count); }
  Result<struct stat> get_attributes(uint64_t inode);
  Result<std::string> read_link(uint64_t inode);
  Result<std::vector<format::ExtendedAttribute>> extended_attributes(uint64_t inode);
  Result<std::unique_ptr<OpenFile>> open_file(uint64_t inode);
  Result<std::unique_ptr<OpenFolder>> open_folder(uint64_t inode);

  struct Listed {
    std::string_view name;
    struct stat attributes;
    uint64_t next_place;  // Where to go on behind it.
  };
  enum class Hold { no, yes };  // Whether each child listed, "." and ".." apart, counts as looked up.
  // From `place` on until `visit` says no; the child it says no to is not listed and not held.
  Status list(OpenFolder& folder, uint64_t place, Hold hold, const std::function<bool(const Listed&)>& visit);

  uint64_t size_bytes() const { return size_bytes_; }
  uint64_t entry_count() const { return entry_count_; }
  size_t held_inode_count() { return inodes_.size(); }

 private:
  FileSystem(const std::vector<vault::PointInfo>& points, const std::optional<ObjectId>& latest,
             size_t cache_size_bytes);
  struct Place {
    const TopFolders::Node* top = nullptr;  // Set above the points, and for a point's root.
    PointView* view = nullptr;              // Set in a point.
    uint32_t point = 0;
    Bytes key;
  };
  Result<Place> place_of(uint64_t inode);
  Result<job::PathEntry> entry_at(const Place& place);
  uint64_t parent_of(const Place& place);
  struct stat attributes_of(const TopFolders::Node& node);
  Status list_top(const TopFolders::Node& node, uint64_t place, const std::function<bool(const Listed&)>& visit);
  Status list_children(OpenFolder& folder, const Place& at, uint64_t place, Hold hold,
                       const std::function<bool(const Listed&)>& visit);

  BlockCache nodes_;
  BlockCache blocks_;
  TopFolders top_;
  InodeTable inodes_;
  std::map<vault::DomainId, std::unique_ptr<DomainReaders>> readers_;
  std::deque<PointView> views_;
  uint64_t size_bytes_ = 0;
  uint64_t entry_count_ = 0;
};

}  // namespace holdfast::mount
