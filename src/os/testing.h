// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <string>

#include "os/mutation.h"
#include "os/random.h"

// For the tests of rooms that touch files.
namespace holdfast::os {

// A fresh, empty folder that is gone with all its contents at the end.
class TemporaryFolder {
 public:
  TemporaryFolder() : path_(std::filesystem::temp_directory_path() / ("holdfast-test-" + random_name())) {
    std::filesystem::create_directories(path_);
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  std::string path() const { return path_.string(); }
  std::string path(const std::string& name) const { return (path_ / name).string(); }

 private:
  std::filesystem::path path_;
};

// Has every mutation of the process pass by `observer` until the end of the scope.
class ObservedScope {
 public:
  explicit ObservedScope(MutationObserver& observer) { set_mutation_observer(&observer); }
  ~ObservedScope() { set_mutation_observer(nullptr); }
  ObservedScope(const ObservedScope&) = delete;
  ObservedScope& operator=(const ObservedScope&) = delete;
};

}  // namespace holdfast::os
