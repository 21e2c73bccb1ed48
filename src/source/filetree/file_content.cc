// SPDX-License-Identifier: Apache-2.0
#include "source/filetree/file_content.h"

#include <sys/stat.h>

#include "os/file.h"
#include "os/file_metadata.h"

namespace holdfast::source {
namespace {

// Up to here an extra look at the file when it is opened would cost more than reading it again now and then.
constexpr uint64_t small_file_size_bytes_max = 1024 * 1024;

// Where a file system may tell of holes that are data still on its way to the disk (OpenZFS issue 15526), files
// changed within this time are read whole.
constexpr int64_t holes_trusted_after_ns = 60'000'000'000;

ChildState state_of(const os::FileStatus& status) {
  ChildState state;
  state.mode = status.mode;
  state.user_id = status.user_id;
  state.group_id = status.group_id;
  state.link_count = status.link_count;
  state.size_bytes = status.size_bytes;
  state.modified = status.modified;
  state.changed = status.changed;
  state.inode = status.inode;
  unsigned bits = 0;
  if (status.immutable) bits |= format::file_flag_immutable;
  if (status.append_only) bits |= format::file_flag_append_only;
  if (status.no_dump) bits |= format::file_flag_no_dump;
  state.attribute_bits = static_cast<uint8_t>(bits);
  state.sparse = status.allocated_bytes < status.size_bytes;
  return state;
}

bool is_long_past(const os::Timestamp& time, UnixTimeNs now) {
  const UnixTimeNs limit = now - holes_trusted_after_ns;
  return time < os::Timestamp{limit / 1'000'000'000, static_cast<uint32_t>(limit % 1'000'000'000)};
}

}  // namespace

FileContent::FileContent(FileContext& context, std::shared_ptr<DirectoryHandle> directory, const ChildState& scanned,
                         uint64_t link_group)
    : context_(context),
      directory_(std::move(directory)),
      name_(scanned.name),
      link_group_(link_group),
      expected_(scanned),
      is_expectation_whole_(context.change_detection == ChangeDetection::full) {
  expected_.name = {};
}

std::string FileContent::name() const {
  const std::string above = directory_->path();
  return (above == "/" ? "" : above) + "/" + name_;
}

Error FileContent::gone() const { return Error(ErrorCode::not_found, name() + " is no regular file any more"); }

Status FileContent::expect_what_is_there() {
  const os::FileStatus status = TRY(os::status_of(fd_.get()));
  if (!S_ISREG(status.mode)) {
    fd_.reset();
    return gone();
  }
  expected_ = state_of(status);
  is_expectation_whole_ = true;
  return {};
}

Status FileContent::open() {
  fd_.reset();
  {
    const auto pin = TRY(directory_->pin());
    fd_ = TRY(os::open_for_backup_at(pin.fd(), name_));
  }
  // A small file is held against what the scan saw when it has been read.
  const bool look = was_opened_ || !is_expectation_whole_ || expected_.size_bytes > small_file_size_bytes_max;
  was_opened_ = true;
  if (look) TRY_DO(expect_what_is_there());
  const os::Timestamp newest = std::max(expected_.modified, expected_.changed);
  has_holes_ =
      expected_.sparse && (!os::may_misreport_holes(fd_.get()) || is_long_past(newest, context_.clock.now()));
  return {};
}

Result<size_t> FileContent::read_at(uint64_t offset_bytes, MutableByteView out) {
  // Up to the end that is expected: whether more has come since, finish() sees. Saves asking every small file for its
  // end. What claims to be empty may lie, as files of the kernel do.
  if (offset_bytes < expected_.size_bytes) {
    out = out.first(std::min<uint64_t>(out.size(), expected_.size_bytes - offset_bytes));
  }
  Result<size_t> size = os::pread_full(fd_.get(), out, offset_bytes);
  if (size) return size;
  // Perhaps it is a directory by now.
  const auto status = os::status_of(fd_.get());
  if (status && !S_ISREG(status->mode)) return gone();
  return std::move(size).during(name());
}

Result<DataRange> FileContent::next_data(uint64_t offset_bytes) {
  const uint64_t size = expected_.size_bytes;
  if (offset_bytes >= size) return DataRange{size, size};
  if (!has_holes_) return DataRange{offset_bytes, size};
  const uint64_t begin = TRY(os::seek_data(fd_.get(), offset_bytes, size));
  return DataRange{begin, TRY(os::seek_hole(fd_.get(), begin, size))};
}

bool FileContent::is_expected(const os::FileStatus& status) const {
  return status.inode == expected_.inode && status.size_bytes == expected_.size_bytes &&
         status.modified == expected_.modified && status.changed == expected_.changed &&
         status.mode == expected_.mode;
}

Result<ReadOutcome> FileContent::finish() {
  ReadOutcome outcome;
  const os::FileStatus status = TRY(os::status_of(fd_.get()));
  std::vector<os::Xattr> xattrs = TRY(os::read_xattrs(fd_.get(), xattrs_size_bytes_max));
  fd_.reset();
  outcome.changed_while_read = !is_expected(status);
  if (!S_ISREG(status.mode)) return gone();
  // The number of links may have become one meanwhile, but the group is what its other names bear.
  outcome.attributes = file_attributes_with(context_, state_of(status), link_group_, std::move(xattrs));
  return outcome;
}

}  // namespace holdfast::source
