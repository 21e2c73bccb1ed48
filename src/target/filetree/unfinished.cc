// SPDX-License-Identifier: Apache-2.0
#include "target/filetree/unfinished.h"

#include "base/bytes.h"
#include "os/apply_metadata.h"
#include "os/beneath.h"
#include "os/file.h"
#include "target/filetree/temporary.h"

namespace holdfast::target::filetree {

namespace {

constexpr size_t mark_size_bytes_max = 128;
constexpr std::string_view doubt = "\nafter a power cut\n";

std::string mark_name() { return std::string(temporary_prefix) + "unfinished"; }

// Differs after each start of the machine. Unknown, it equals nothing.
std::string present_life() {
  const Result<Bytes> text = os::read_file("/proc/sys/kernel/random/boot_id", 4096);
  return text ? std::string(as_text(*text).substr(0, as_text(*text).find('\n'))) : std::string();
}

struct OpenMark {
  os::Fd file;
  bool was_there = false;
};

Result<OpenMark> open_mark(int root_fd) {
  const std::string name = mark_name();
  Result<os::Fd> made = os::open_at(
      root_fd, name,
      {.access = os::Access::read_write, .create = true, .exclusive = true, .no_follow = true, .mode = 0600});
  if (made) return OpenMark{std::move(*made), false};
  if (made.error().code() != ErrorCode::conflict) return made.error();
  os::Fd found = TRY(os::open_beneath(root_fd, name, {.access = os::Access::read_write, .nonblocking = true},
                                      os::Mounts::stay));
  return OpenMark{std::move(found), true};
}

}  // namespace

UnfinishedMark::UnfinishedMark(const std::string& boot_id) : boot_id_(boot_id.empty() ? present_life() : boot_id) {}

Result<bool> UnfinishedMark::set(int root_fd) {
  OpenMark mark = TRY(open_mark(root_fd));
  const os::NodeState state = TRY(os::node_state({.fd = mark.file.get()}));
  if (!state.is_regular() || state.link_count != 1) {
    return Error(ErrorCode::conflict, mark_name() + " in the target is something else");
  }
  (void)TRY(os::try_lock_file(mark.file.get(), os::FileLock::shared));
  Bytes before(mark_size_bytes_max);
  before.resize(TRY(os::pread_full(mark.file.get(), before, 0)));
  file_ = std::move(mark.file);
  if (as_text(before) == boot_id_ && !boot_id_.empty()) return false;
  // The doubt outlives this run: if it is killed, the next one of the same life has to compare as well.
  const std::string text = mark.was_there ? boot_id_ + std::string(doubt) : boot_id_;
  if (as_text(before) != text) {
    TRY_DO(os::pwrite_full(file_.get(), as_bytes(text), 0));
    TRY_DO(os::truncate(file_.get(), text.size()));
  }
  TRY_DO(os::sync_all(file_.get()));
  TRY_DO(os::sync_directory(root_fd));
  return mark.was_there;
}

Status UnfinishedMark::clear(int root_fd, bool durably) {
  if (!file_.is_open()) return {};
  const std::string name = mark_name();
  const os::NodeState ours = TRY(os::node_state({.fd = file_.get()}));
  const auto named = TRY(os::node_state_if_any({.dir_fd = root_fd, .name = name.c_str()}));
  const bool is_in_place = named && named->inode == ours.inode && named->device == ours.device;
  if (!is_in_place || !TRY(os::try_lock_file(file_.get(), os::FileLock::exclusive))) return {};
  const os::NodeState root = TRY(os::node_state({.fd = root_fd}));
  TRY_DO(os::unlink_at(root_fd, name));
  file_ = {};
  TRY_DO(os::change_modified_time({.fd = root_fd}, root.modified));
  return durably ? os::sync_directory(root_fd) : Status();
}

}  // namespace holdfast::target::filetree
