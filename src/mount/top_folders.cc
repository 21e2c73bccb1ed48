// SPDX-License-Identifier: Apache-2.0
#include "mount/top_folders.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>

#include "os/local_time.h"

namespace holdfast::mount {

namespace {

constexpr size_t short_id_digits = 8;
constexpr size_t name_size_bytes_max = 255;

// Hosts and tags are free text; a file name is not.
std::string file_name_of(const std::string& text) {
  std::string name = text.substr(0, name_size_bytes_max);
  for (char& c : name) {
    if (c == '/' || c == '\0') c = '_';
  }
  return name.empty() || name == "." || name == ".." ? "_" : name;
}

}  // namespace

std::string TopFolders::point_name(const vault::PointInfo& point) {
  const std::tm time = os::local_time(point.point.begun / 1'000'000'000);
  return fmt::format("{:%Y-%m-%dT%H:%M:%S}-{}", time, to_hex(point.id).substr(0, short_id_digits));
}

TopFolders::Node& TopFolders::add(uint64_t parent, std::string name, Kind kind, UnixTimeNs time) {
  Node& node = nodes_.emplace_back();
  node.kind = kind;
  node.inode = nodes_.size();
  node.parent = parent;
  node.time = time;
  if (node.inode == parent) return node;  // The root.
  nodes_[parent - 1].children.emplace_back(name, node.inode);
  by_name_[{parent, std::move(name)}] = node.inode;
  return node;
}

uint64_t TopFolders::folder_of(uint64_t parent, const std::string& name, UnixTimeNs time) {
  const auto found = by_name_.find({parent, name});
  if (found != by_name_.end()) return found->second;
  return add(parent, name, Kind::folder, time).inode;
}

TopFolders::TopFolders(const std::vector<vault::PointInfo>& points, const std::optional<ObjectId>& latest) {
  const UnixTimeNs newest = points.empty() ? 0 : points.back().point.begun;
  add(root_inode, "", Kind::folder, newest);
  for (size_t place = 0; place < points.size(); ++place) {
    add(root_inode, point_name(points[place]), Kind::point, points[place].point.begun).point = place;
  }
  const uint64_t by_host = folder_of(root_inode, "by-host", newest);
  const uint64_t by_tag = folder_of(root_inode, "by-tag", newest);
  for (const vault::PointInfo& point : points) {
    const std::string name = point_name(point);
    const auto link_from = [&](uint64_t parent, const std::string& folder) {
      const uint64_t inode = folder_of(parent, file_name_of(folder), newest);
      if (by_name_.contains({inode, name})) return;  // Two tags that make one file name.
      add(inode, name, Kind::link, point.point.begun).link_target = "../../" + name;
    };
    link_from(by_host, point.point.host);
    for (const std::string& tag : point.point.tags) link_from(by_tag, tag);
  }
  const auto is_latest = [&](const vault::PointInfo& point) { return point.id == latest; };
  const auto shown = std::ranges::find_if(points, is_latest);
  if (shown != points.end()) add(root_inode, "latest", Kind::link, newest).link_target = point_name(*shown);
}

const TopFolders::Node* TopFolders::find(uint64_t inode) const {
  return inode == 0 || inode > nodes_.size() ? nullptr : &nodes_[inode - 1];
}

const TopFolders::Node* TopFolders::child(const Node& folder, std::string_view name) const {
  const auto found = by_name_.find({folder.inode, std::string(name)});
  return found == by_name_.end() ? nullptr : find(found->second);
}

}  // namespace holdfast::mount
