// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>
#include <string>
#include <vector>

// Trees on a real file system, for tests.
namespace holdfast::source::testing {

class TemporaryTree {
 public:
  TemporaryTree() {
    std::string pattern = (std::filesystem::temp_directory_path() / "holdfast_tree_XXXXXX").string();
    EXPECT_NE(mkdtemp(pattern.data()), nullptr);
    path_ = pattern;
  }
  ~TemporaryTree() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryTree(const TemporaryTree&) = delete;
  TemporaryTree& operator=(const TemporaryTree&) = delete;

  const std::string& path() const { return path_; }
  std::string at(const std::string& name) const { return path_ + "/" + name; }
  void make_directory(const std::string& name) { std::filesystem::create_directories(at(name)); }
  // With missing parents.
  void write(const std::string& name, std::string_view content) {
    std::filesystem::create_directories(std::filesystem::path(at(name)).parent_path());
    std::ofstream out(at(name), std::ios::binary | std::ios::trunc);
    out << content;
    EXPECT_TRUE(out.good()) << name;
  }
  void make_symlink(const std::string& name, const std::string& target) {
    std::filesystem::create_symlink(target, at(name));
  }
  void remove(const std::string& name) { std::filesystem::remove_all(at(name)); }
  void set_modified(const std::string& name, int64_t seconds) {
    const timespec times[2] = {{0, UTIME_OMIT}, {seconds, 0}};
    EXPECT_EQ(utimensat(AT_FDCWD, at(name).c_str(), times, AT_SYMLINK_NOFOLLOW), 0);
  }
  void make_socket(const std::string& name) {
    const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    at(name).copy(address.sun_path, sizeof address.sun_path - 1);
    EXPECT_EQ(bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    close(fd);
  }

 private:
  std::string path_;
};

// `depth` directories called `name` one in the other, with a file in the last.
inline void make_deep_directory(const std::string& path, const std::string& name, int depth) {
  int fd = open(path.c_str(), O_DIRECTORY | O_RDONLY);
  for (int level = 0; level < depth; ++level) {
    ASSERT_EQ(mkdirat(fd, name.c_str(), 0755), 0);
    const int next = openat(fd, name.c_str(), O_DIRECTORY | O_RDONLY);
    ASSERT_GE(next, 0);
    close(fd);
    fd = next;
  }
  const int file = openat(fd, "file", O_CREAT | O_WRONLY, 0644);
  ASSERT_EQ(write(file, "deep", 4), 4);
  close(file);
  close(fd);
}

// Changes a tree at random, by a seed: adds, overwrites, renames, links, removes, turns files into directories and back.
class RandomTree {
 public:
  RandomTree(TemporaryTree& tree, uint64_t seed) : tree_(tree), random_(seed) {}

  void mutate(int count) {
    for (int n = 0; n < count; ++n) mutate_once();
  }

 private:
  // Names whose order differs from that of their paths, and that are each other's prefix.
  std::string name() {
    static const std::vector<std::string> names = {"a", "a.b", "a\x01", "ab", "b", "B", "\xff", " ", "zz", "~"};
    return names[random_() % names.size()];
  }
  std::string any_path() {
    std::string path = name();
    for (uint64_t depth = random_() % 4; depth > 0; --depth) path += "/" + name();
    return path;
  }
  void mutate_once() {
    namespace fs = std::filesystem;
    const std::string path = any_path();
    const std::string full = tree_.at(path);
    std::error_code failed;
    fs::create_directories(fs::path(full).parent_path(), failed);
    if (failed) return;  // A file stands in the way.
    switch (random_() % 10) {
      case 0: fs::remove_all(full, failed); break;
      case 1: fs::create_directory(full, failed); break;
      case 2: fs::create_symlink(name(), full, failed); break;
      case 3: fs::rename(full, tree_.at(any_path()), failed); break;
      case 4: fs::create_hard_link(full, tree_.at(any_path()), failed); break;
      case 5: chmod(full.c_str(), 0600 + random_() % 8); break;
      case 6: lsetxattr(full.c_str(), "user.x", &path, random_() % 8, 0); break;
      default: write_file(full);
    }
  }
  void write_file(const std::string& full) {
    if (std::filesystem::is_directory(std::filesystem::symlink_status(full))) return;
    std::error_code ignored;
    std::filesystem::remove(full, ignored);
    std::ofstream(full, std::ios::binary) << std::string(random_() % 100, static_cast<char>('a' + random_() % 26));
  }

  TemporaryTree& tree_;
  std::mt19937_64 random_;
};

}  // namespace holdfast::source::testing
