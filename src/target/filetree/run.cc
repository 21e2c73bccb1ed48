// SPDX-License-Identifier: Apache-2.0
#include "target/filetree/run.h"

#include <utility>

#include "os/apply_metadata.h"

namespace holdfast::target::filetree {

namespace {

constexpr size_t open_folder_count_max = 256;

constexpr std::array<std::string_view, lack_count> lack_names = {
    "owner not restored", "setuid or setgid not restored", "extended attributes or ACLs not restored",
    "immutable or append-only flag not restored", "left out with the folder that holds them"};

}  // namespace

Policy decide_policy(const FileTreeTargetOptions& options, bool trusted) {
  return {.owners = options.owners.value_or(trusted ? Owners::by_name : Owners::none),
          .setuid = options.setuid.value_or(trusted),
          .devices = options.devices.value_or(trusted),
          .sockets = options.sockets.value_or(trusted),
          .fifos = options.fifos.value_or(true),
          .acls = options.acls.value_or(true),
          .user_xattrs = options.user_xattrs.value_or(true),
          .system_xattrs = options.system_xattrs.value_or(trusted),
          .flags = options.flags.value_or(trusted)};
}

Run::Run(FileTreeTargetOptions options_in, Policy policy_in, os::Fd root)
    : options(std::move(options_in)),
      policy(policy_in),
      user_id(os::effective_user_id()),
      creation_mask(os::creation_mask()),
      folders(std::move(root), options.cross_mounts ? os::Mounts::cross : os::Mounts::stay,
              open_folder_count_max),
      early_sync(folders.root(), options.sync == SyncMode::data ? options.early_sync_size_bytes : 0) {}

Status Run::check() {
  if (!ended_.load(std::memory_order_acquire)) return {};
  const MutexLock lock(mutex_);
  return *end_;
}

Error Run::failed(Error error) {
  if (error.code() == ErrorCode::no_space) {
    end_with(error);
  } else {
    saw(error);
  }
  return error;
}

void Run::saw(const Error& error) {
  if (error.code() == ErrorCode::denied && os::is_read_only(folders.root()->get())) end_with(error);
}

void Run::end_with(const Error& error) {
  const MutexLock lock(mutex_);
  if (!end_) end_ = error;
  ended_.store(true, std::memory_order_release);
}

void Run::problem(std::string name, Error error) {
  const MutexLock lock(mutex_);
  problems_.push_back({std::move(name), std::move(error)});
}

void Run::lacks(Lack kind, const std::string& name, std::string_view reason) {
  const MutexLock lock(mutex_);
  LackCount& lack = lacks_[static_cast<size_t>(kind)];
  if (lack.count++ > 0) return;
  lack.first_name = name;
  lack.reason = reason;
}

void Run::set_flags_late(LateFlags flags) {
  const MutexLock lock(mutex_);
  late_flags_.push_back(std::move(flags));
}

std::vector<LateFlags> Run::take_late_flags() {
  const MutexLock lock(mutex_);
  return std::exchange(late_flags_, {});
}

std::vector<Problem> Run::take_problems() {
  const MutexLock lock(mutex_);
  std::vector<Problem> all = std::move(problems_);
  problems_.clear();
  for (size_t kind = 0; kind < lack_count; ++kind) {
    LackCount& lack = lacks_[kind];
    if (lack.count == 0) continue;
    std::string text(lack_names[kind]);
    if (lack.count > 1) text += " (and of " + std::to_string(lack.count - 1) + " more)";
    all.push_back({lack.first_name, Error(ErrorCode::refused, text + ": " + lack.reason)});
    lack = {};
  }
  return all;
}

}  // namespace holdfast::target::filetree
