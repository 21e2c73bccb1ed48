// SPDX-License-Identifier: Apache-2.0
#include "source/filetree/root_set.h"

#include <algorithm>

namespace holdfast::source {
namespace {

void append_components(std::string_view path, std::vector<std::string_view>& components) {
  while (!path.empty()) {
    const size_t end = std::min(path.find('/'), path.size());
    const std::string_view name = path.substr(0, end);
    if (name == "..") {
      if (!components.empty()) components.pop_back();
    } else if (!name.empty() && name != ".") {
      components.push_back(name);
    }
    path.remove_prefix(std::min(end + 1, path.size()));
  }
}

}  // namespace

std::string absolute_path(std::string_view path, std::string_view working_directory) {
  std::vector<std::string_view> components;
  if (path.empty() || path.front() != '/') append_components(working_directory, components);
  append_components(path, components);
  std::string absolute;
  for (const std::string_view name : components) {
    absolute += '/';
    absolute += name;
  }
  return absolute.empty() ? "/" : absolute;
}

Result<RootSet> RootSet::make(const std::vector<std::string>& paths, std::string_view working_directory) {
  RootSet set;
  set.top_ = std::make_unique<RootNode>();
  for (const std::string& path : paths) {
    if (path.empty() || path.find('\0') != std::string::npos) {
      return Error(ErrorCode::invalid, "a path to back up is empty or holds a zero byte");
    }
    set.paths_.push_back(absolute_path(path, working_directory));
  }
  if (set.paths_.empty()) return Error(ErrorCode::invalid, "no path to back up");
  std::sort(set.paths_.begin(), set.paths_.end());
  set.paths_.erase(std::unique(set.paths_.begin(), set.paths_.end()), set.paths_.end());
  for (const std::string& path : set.paths_) set.add(path);
  return set;
}

void RootSet::add(const std::string& path) {
  std::vector<std::string_view> components;
  append_components(path, components);
  RootNode* node = top_.get();
  for (const std::string_view name : components) {
    auto found = node->children.find(name);
    if (found == node->children.end()) {
      found = node->children.emplace(std::string(name), std::make_unique<RootNode>()).first;
    }
    node = found->second.get();
  }
  node->is_root = true;
}

}  // namespace holdfast::source
