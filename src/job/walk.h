// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "format/entry.h"
#include "format/file_attributes.h"
#include "job/chunk_fetcher.h"
#include "job/vault_nodes.h"
#include "vault/vault.h"

// Looking into recovery points of file trees without restoring them.
namespace holdfast::job {

// One name in a point.
struct PathEntry {
  Bytes key;
  std::string path;  // "/"-led; "/" is the root.
  format::FileAttributes attributes;
  format::Content content;
  format::Content whole_attributes;  // format::Entry::whole_attributes; without it `attributes` is all there is.
};
// `corrupt` for what is no entry of a file tree.
Result<PathEntry> decode_path_entry(ByteView key, ByteView value);

enum class Depth : uint8_t {
  children,  // What lies directly in a folder.
  all,       // Everything beneath.
};

enum class DifferenceKind : uint8_t {
  added,             // +
  removed,           // -
  content_changed,   // M
  metadata_changed,  // U
  type_changed,      // T
};
struct PathDifference {
  DifferenceKind kind = DifferenceKind::added;
  std::optional<PathEntry> before;  // Absent when added.
  std::optional<PathEntry> after;   // Absent when removed.
  const std::string& path() const { return after ? after->path : before->path; }
};

// `unsupported` for a point of a resource that later versions know.
Status check_kind_is_known(const vault::PointInfo& point);

// One point, opened for looking. Thread-compatible; the vault outlives it. Paths are absolute; a trailing slash and a
// missing leading one are forgiven, `invalid` for "." and "..". Errors from visitors end a call and are returned.
class PointWalk {
 public:
  static Result<std::unique_ptr<PointWalk>> open(vault::Vault& vault, const vault::PointInfo& point);

  const vault::PointInfo& point() const { return point_; }

  Result<std::optional<PathEntry>> look_up(std::string_view path);
  // In key order: a folder before what lies in it. Of a folder what it holds, without itself; of anything else, just
  // that. `not_found` if there is no such path.
  Status list(std::string_view path, Depth depth, const std::function<Status(const PathEntry&)>& visit);
  // Entries at or beneath `path` whose last component fits the glob, or the whole path if the glob holds a slash.
  Status find(std::string_view path, std::string_view glob, bool ignore_case,
              const std::function<Status(const PathEntry&)>& visit);
  // The bytes begin <= offset < end of a content (end is clipped to its size), in order, holes as zeros. Every byte
  // was checked against its id; `corrupt` naming the chunk otherwise.
  Status read(const format::Content& content, uint64_t begin_bytes, uint64_t end_bytes,
              const std::function<Status(ByteView)>& sink);
  // Puts in the extended attributes of an entry that are too large for the tree.
  Status complete(PathEntry& entry);
  // The whole content of a regular file. `not_found`; `invalid` if it is none.
  Status cat(std::string_view path, const std::function<Status(ByteView)>& sink);

 private:
  PointWalk(vault::Vault& vault, vault::Vault::Domain& domain, const vault::PointInfo& point);
  struct Window;
  Status drain(Window& window, const std::function<Status(ByteView)>& sink);

  vault::Vault::Domain& domain_;
  const vault::PointInfo point_;
  VaultNodes nodes_;
  ChunkFetcher fetcher_;
};

// What became of `before`'s entries at or beneath `path` in `after`, in key order. `unsupported` for points of
// different domains, whose contents have nothing to be compared by.
Status diff_points(vault::Vault& vault, const vault::PointInfo& before, const vault::PointInfo& after,
                   std::string_view path, const std::function<Status(const PathDifference&)>& visit);

}  // namespace holdfast::job
