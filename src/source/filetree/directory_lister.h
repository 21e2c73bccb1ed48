// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/seams.h"
#include "source/filetree/directory_handle.h"
#include "source/filetree/exclude_rules.h"
#include "source/filetree/file_tree_source.h"
#include "source/filetree/root_set.h"
#include "source/filetree/scan_state.h"
#include "source/source.h"

namespace holdfast::source {

// What is known of a directory before it is listed.
struct DirectoryPlace {
  Bytes key;
  std::shared_ptr<DirectoryHandle> handle;
  const RootNode* roots = nullptr;  // Paths asked for at or beneath it.
  bool whole = false;               // All of it is walked; else only what leads to roots.
  bool beyond_boundary = false;     // On another file system: kept as an empty directory.
  uint64_t boundary_device = 0;     // With `whole`: the file system of the root it lies beneath.
  uint64_t parent_device = 0;
  uint64_t link_salt = 0;           // See DirectoryListing.
};

struct Subdirectory {
  uint32_t name_offset = 0;  // In DirectoryListing::subdirectory_names.
  uint32_t name_size = 0;
  bool beyond_boundary = false;
  bool leads_only = false;  // Left out, but for the roots beneath it.
};

// What listing it found.
struct DirectoryListing {
  // Every child is as in the previous scan: the state is not kept, and only the counts matter.
  bool unchanged = false;
  uint64_t entry_count = 0;
  uint64_t size_bytes = 0;  // Of its regular files.

  Bytes state;  // The children; laid out in `parts`.
  std::vector<StatePart> parts;
  struct PreviousPart {
    std::string first_name;
    Bytes value;
  };
  std::vector<PreviousPart> previous;

  std::string subdirectory_names;
  std::vector<Subdirectory> subdirectories;  // In order.
  std::vector<Skip> skips;
  uint64_t device = 0;
  // Names the file system in link groups by something that, unlike its device number, stays: the directory at which it
  // was entered.
  uint64_t link_salt = 0;
  // Device by position, of hard-linked children that lie on another file system than the directory (overlays do that).
  std::vector<std::pair<uint64_t, uint64_t>> foreign_links;
  bool boundary_is_own = false;

  ByteView part(const StatePart& part) const { return ByteView(state).subspan(part.begin, part.end - part.begin); }
  std::string_view subdirectory_name(size_t index) const {
    const Subdirectory& subdirectory = subdirectories[index];
    return std::string_view(subdirectory_names).substr(subdirectory.name_offset, subdirectory.name_size);
  }
};

// What all listings of one scan share. Immutable.
struct ScanContext {
  const FileTreeOptions& options;
  const ExcludeRules& excludes;
  const ScanRequest& request;
  Clock& clock;
};

// Lists directories, one at a time; each thread has its own.
class DirectoryLister {
 public:
  explicit DirectoryLister(const ScanContext& context) : context_(context) {}
  // What cannot be read becomes a skip in the listing; an error is one of the previous state.
  Result<DirectoryListing> list(const DirectoryPlace& place);
  // A listing of one child without name: the directory "/" itself.
  Result<DirectoryListing> list_top();

 private:
  struct Child;
  Status list_children(const DirectoryPlace& place, int fd, DirectoryListing& out);
  void list_child(const DirectoryPlace& place, int fd, const Child& child, DirectoryListing& out);
  void miss_child(const DirectoryPlace& place, const Child& child, Error error, DirectoryListing& out) const;
  void miss_roots_beneath(const DirectoryPlace& place, const Child& child, DirectoryListing& out) const;
  void miss_absent_roots(const DirectoryPlace& place, DirectoryListing& out) const;
  bool left_out(std::string_view name, const os::FileStatus& status) const;
  bool is_own_folder(const DirectoryPlace& place, std::string_view name, const os::FileStatus& status) const;
  void add_child(std::string_view name, const os::FileStatus& status, DirectoryListing& out);
  bool contents_excluded(int fd, std::string& tag) const;
  void begin();
  Status load_previous(ByteView first_key, DirectoryListing& out) const;
  Status compare_with_previous(ByteView first_key, bool retry, DirectoryListing& out);
  bool has_retry_key(ByteView directory_key) const;

  const ScanContext& context_;
  os::DirectoryNames names_;
  StateEncoder encoder_;
  ExcludeRules::Directory excludes_;
  UnixTimeNs racy_since_ = 0;
  uint64_t racy_count_ = 0;
};

// A number that scatters; for one `b` no two `a` share it.
uint64_t mix(uint64_t a, uint64_t b);

inline constexpr size_t path_key_size_bytes_max = 60'000;  // A key in the tree, with room for what state keys add.

}  // namespace holdfast::source
