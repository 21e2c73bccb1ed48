// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "job/bucket_choice.h"
#include "job/walk.h"
#include "tree/tree.h"

namespace holdfast::job {

// The current objects of a bucket's point, or those of a moment, seen as a tree of files: a slash in an object's key
// ends the name of a folder. An object whose key ends with a slash is its folder's own entry, as consoles make them.
// Not every set of objects is a tree of files; what is none is left out and told: keys with components that are empty,
// ".", "..", longer than 255 bytes or hold a zero byte, objects that bear the name of a folder, and folders' entries
// that hold bytes.
//
// Keys of entries here are those of file trees (format::path_to_key()), and entries come in the order of these, which
// is not that of the objects: "a/b" comes before "a-b". Holds two paths of nodes, whatever the bucket's size.
// Thread-compatible; `nodes` outlives it. `corrupt` for what is no entry of a bucket.
class BucketFiles {
 public:
  BucketFiles(tree::NodeStore& nodes, const vault::PointInfo& point, std::optional<UnixTimeNs> at = {});

  // Nothing if there is no such file or folder. The root is always there.
  Result<std::optional<PathEntry>> look_up(ByteView key);

  // The children of a folder, from the one behind `after` (none: the first), until `visit` says no.
  Status list(ByteView folder, const std::optional<Bytes>& after,
              const std::function<Result<bool>(const PathEntry&)>& visit);

  // What stands at `beneath` and all beneath it, folders before what lies in them; the root itself is not told.
  // `leave_out` hears of each object that can be no file. `not_found` if there is nothing at all.
  Status walk(ByteView beneath, const std::function<Status(const PathEntry&)>& visit,
              const std::function<void(const std::string& name, Error error)>& leave_out);

 private:
  struct Child {
    std::string name;
    std::optional<BucketVersion> object;
    bool is_folder = false;
  };
  // The first current object at or after `from` whose key begins with `prefix`.
  Result<std::optional<BucketVersion>> next_object(tree::Cursor& cursor, Bytes from, const std::string& prefix) const;
  Result<std::optional<BucketVersion>> object_of(const std::string& key);
  Result<bool> has_folder(const std::string& path);
  // Of the folder whose objects' keys begin with `prefix`.
  Result<std::optional<Child>> next_child(const std::string& prefix, const std::optional<std::string>& after);
  Result<std::optional<std::string>> folder_that_comes_first(const std::string& prefix, const std::string& name,
                                                             const std::optional<std::string>& after);
  PathEntry folder_entry(const std::string& path, const std::optional<BucketVersion>& marker) const;
  Result<PathEntry> child_entry(const std::string& prefix, const Child& child,
                                const std::function<void(const std::string&, Error)>& leave_out);

  const tree::Root root_;
  const UnixTimeNs begun_;
  const std::optional<UnixTimeNs> at_;
  tree::Cursor cursor_;
  tree::Cursor probe_;  // Looks ahead, so that the other need not go back.
  // Which of the folders that a name may lie in or behind there are: each a beginning of the next.
  std::vector<std::pair<std::string, bool>> probed_;
};

}  // namespace holdfast::job
