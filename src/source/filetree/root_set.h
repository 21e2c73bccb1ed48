// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace holdfast::source {

// The paths a person asked to back up, as a tree of path components.
struct RootNode {
  bool is_root = false;  // This path was asked for: all beneath it is walked.
  std::map<std::string, std::unique_ptr<RootNode>, std::less<>> children;
};

class RootSet {
 public:
  // Relative paths are taken beneath `working_directory`. "." and ".." are resolved by text alone, so that a path
  // means what its reader sees. `invalid` without any path.
  static Result<RootSet> make(const std::vector<std::string>& paths, std::string_view working_directory);

  const RootNode& top() const { return *top_; }  // "/"
  // Absolute, sorted, each once.
  const std::vector<std::string>& paths() const { return paths_; }

 private:
  void add(const std::string& path);

  std::unique_ptr<RootNode> top_;
  std::vector<std::string> paths_;
};

// "/a/b" for "a/./x/../b" beneath "/".
std::string absolute_path(std::string_view path, std::string_view working_directory);

}  // namespace holdfast::source
