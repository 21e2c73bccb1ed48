// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "vault/vault.h"

namespace holdfast::mount {

// The folders above the points:
//   /<time>-<id>                      the points
//   /latest                           a link to the newest, where that is known
//   /by-host/<host>/<time>-<id>       links to the points
//   /by-tag/<tag>/<time>-<id>
// A point stands in one place only, since a folder of two names would confuse the kernel. Immutable.
class TopFolders {
 public:
  enum class Kind { folder, link, point };
  struct Node {
    Kind kind = Kind::folder;
    uint64_t inode = 0;
    uint64_t parent = 0;
    UnixTimeNs time = 0;
    std::string link_target;
    size_t point = 0;                               // Place in the list of points.
    std::vector<std::pair<std::string, uint64_t>> children;  // In order of listing.
  };

  // `points`: oldest first; `latest`: one of them, or none.
  TopFolders(const std::vector<vault::PointInfo>& points, const std::optional<ObjectId>& latest);

  static constexpr uint64_t root_inode = 1;
  const Node* find(uint64_t inode) const;
  const Node* child(const Node& folder, std::string_view name) const;
  // "2026-11-22T20:25:00-1a2b3c4d", in local time.
  static std::string point_name(const vault::PointInfo& point);

 private:
  Node& add(uint64_t parent, std::string name, Kind kind, UnixTimeNs time);
  uint64_t folder_of(uint64_t parent, const std::string& name, UnixTimeNs time);
  std::vector<Node> nodes_;  // By inode number less one.
  std::map<std::pair<uint64_t, std::string>, uint64_t, std::less<>> by_name_;
};

}  // namespace holdfast::mount
