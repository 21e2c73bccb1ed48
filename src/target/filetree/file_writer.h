// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <memory>
#include <string>

#include "target/filetree/hard_links.h"
#include "target/filetree/metadata.h"
#include "target/filetree/temporary.h"

namespace holdfast::target::filetree {

// What stands where a file is to be written.
enum class Standing : uint8_t {
  nothing,
  usable_file,  // A regular file with no other name: it may be written into.
  replaceable,  // Anything else but a folder: a new file is renamed over it.
};

struct FileTask {
  std::shared_ptr<Run> run;        // Shared by all writers with the target, whichever lives longest.
  std::shared_ptr<Folder> folder;
  std::string name;
  EntryPlan plan;
  Standing standing = Standing::nothing;
  std::shared_ptr<LinkGroup> group;  // Null: no hard links. Shared with the names that wait for it.
};

// Writes one regular file (the contract is target.h's). Dropped before it is complete, it leaves at most a temporary
// file, which a later run takes up, and what was already written into a usable file.
class FileWriter : public Writer {
 public:
  explicit FileWriter(FileTask task) : task_(std::move(task)) {}
  ~FileWriter() override;

  std::string name() const override { return path_of(*task_.folder, task_.name); }
  Status write_whole(ByteView content) override;
  Status prepare(uint64_t size_bytes) override;
  Status write_at(uint64_t offset_bytes, ByteView data) override;
  Status make_hole(uint64_t offset_bytes, uint64_t size_bytes) override;
  Result<bool> read_existing(uint64_t offset_bytes, MutableByteView out) override;
  Status complete() override;

 private:
  Status create_whole(int dir_fd, ByteView content);
  Status replace_whole(int dir_fd, ByteView content);
  Result<bool> keep_whole(int dir_fd, ByteView content);
  Result<bool> open_usable(int dir_fd);
  Status finish_file(int fd, const Before& before);
  uint32_t creation_mode() const;
  // Gives a stretch of a new file its blocks, where the file system can.
  Status allocate_ahead(uint64_t offset_bytes, uint64_t size_bytes);

  FileTask task_;
  FolderCache::Open dir_;   // Set by prepare().
  Temporary file_;          // The file being written; without a name if it stands in its place already.
  Before before_;
  os::Fd direct_;           // The same file past the page cache, if that can be had.
  std::atomic<bool> direct_works_ = false;
  std::atomic<bool> allocate_works_ = true;
  bool has_old_bytes_ = false;
};

}  // namespace holdfast::target::filetree
