// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <string>
#include <vector>

#include "format/file_attributes.h"
#include "target/filetree/filetree_target.h"

// Points, and trees to look at, for tests of restores. Looking shares no code with what is tested.
namespace holdfast::target::testing {

// A folder in the file system for temporary files; removed with all in it, immutable files too.
class TemporaryFolder {
 public:
  explicit TemporaryFolder(const std::string& base = {});
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  const std::string& path() const { return path_; }
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

struct PointItem {
  format::FileAttributes attributes;
  Bytes content;
};

// A recovery point's entries. Paths are relative, joined by "/".
struct Point {
  std::map<Bytes, PointItem> items;

  static Bytes key_of(std::string_view path);
  // Each returns the attributes for more to be set. Times differ from item to item.
  format::FileAttributes& folder(std::string_view path, uint32_t mode = 0755);
  format::FileAttributes& file(std::string_view path, std::string_view content, uint32_t mode = 0644);
  format::FileAttributes& symlink(std::string_view path, std::string_view text);
  format::FileAttributes& special(std::string_view path, format::FileType type);
  // With a key that no path has.
  format::FileAttributes& raw(ByteView key, format::FileType type);

 private:
  format::FileAttributes& add(Bytes key, format::FileType type, uint32_t mode);
};

format::Entry entry_of(const PointItem& item);

struct Restored {
  std::vector<Problem> problems;  // Those of writers, too.
  size_t written_count = 0;
  size_t kept_count = 0;
  std::string text() const;       // All problems, for messages of tests.
};
// Restores as a job would; contents above `piecewise_min_bytes` go in pieces, comparing first. An error ended the run.
Result<Restored> restore(const Point& point, const FileTreeTargetOptions& options,
                         size_t piecewise_min_bytes = 200'000);

enum class Look : uint8_t {
  content,   // What a file is, whatever other names it has got or lost.
  restored,  // What a restore brings back; link counts stand for links.
  all,       // Inode and time of change too: nothing at all was done to it.
};
// One line for every name beneath `path`, in order, with all that can be seen of it.
std::string describe_tree(const std::string& path, Look look);

void write_file(const std::string& path, std::string_view content);
std::string read_file(const std::string& path);

}  // namespace holdfast::target::testing
