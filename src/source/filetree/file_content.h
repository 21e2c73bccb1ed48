// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>

#include "os/fd.h"
#include "source/filetree/directory_handle.h"
#include "source/filetree/file_item.h"
#include "source/filetree/scan_state.h"
#include "source/source.h"

namespace holdfast::source {

// The bytes of one regular file, from one state of it: what the scan saw, or, opened again, what is there then.
class FileContent : public Content {
 public:
  FileContent(FileContext& context, std::shared_ptr<DirectoryHandle> directory, const ChildState& scanned,
              uint64_t link_group);

  uint64_t size_bytes() const override { return expected_.size_bytes; }
  std::string name() const override;
  Status open() override;
  Result<size_t> read_at(uint64_t offset_bytes, MutableByteView out) override;
  Result<DataRange> next_data(uint64_t offset_bytes) override;
  Result<ReadOutcome> finish() override;

 private:
  Error gone() const;
  Status expect_what_is_there();
  bool is_expected(const os::FileStatus& status) const;

  FileContext& context_;
  const std::shared_ptr<DirectoryHandle> directory_;  // Shared with the scan and the directory's other files.
  const std::string name_;
  const uint64_t link_group_;
  ChildState expected_;        // Its name is unused.
  bool is_expectation_whole_;  // Else the scan left ctime or inode out.
  bool was_opened_ = false;
  bool has_holes_ = false;
  os::Fd fd_;
};

// Encoded attributes of `child` with what is not in its state.
Bytes file_attributes_with(FileContext& context, const ChildState& child, uint64_t link_group,
                           std::vector<os::Xattr> xattrs);

}  // namespace holdfast::source
