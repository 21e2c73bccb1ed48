// SPDX-License-Identifier: Apache-2.0
// What comes last: links to files that were still being written, flags, and the folders' own metadata.
#include "target/filetree/placer.h"
#include "target/filetree/remove.h"

namespace holdfast::target::filetree {

Result<std::vector<Problem>> Placer::finish() {
  while (levels_.size() > 1) leave_level();
  if (!levels_.empty()) leave_level();
  TRY_DO(run_->check());
  apply_late_links();
  apply_late_flags();
  apply_late_folders();
  TRY_DO(run_->check());
  if (!run_->options.dry_run) {
    const int root_fd = run_->folders.root()->get();
    const bool durably = run_->options.sync == SyncMode::data;
    TRY_DO(run_->early_sync.finish());
    if (durably) TRY_DO(os::sync_filesystem(root_fd));
    TRY_DO(mark_.clear(root_fd, durably));
  }
  return run_->take_problems();
}

void Placer::apply_late_links() {
  for (const LateLink& link : late_links_) {
    if (!run_->check()) return;
    const LinkGroup::First first = link.group->first();
    const auto linked = [&]() -> Status {
      if (first.state != LinkGroup::State::done) {
        return Error(ErrorCode::not_found, "the file that it is a link to was not restored");
      }
      TRY(link_to_first(*run_, first, link.folder, link.name));
      return {};
    }();
    if (!linked) run_->problem(path_of(*link.folder, link.name), linked.error());
  }
  late_links_.clear();
}

void Placer::apply_late_flags() {
  for (const LateFlags& late : run_->take_late_flags()) {
    const std::string path = path_of(*late.folder, late.name);
    const Result<FolderCache::Open> dir = run_->folders.open(late.folder);
    if (!dir) {
      run_->problem(path, dir.error());
      continue;
    }
    const Result<os::Fd> fd =
        os::open_beneath((*dir)->get(), late.name, {.nonblocking = true}, os::Mounts::stay);
    if (fd) {
      apply_flags(*run_, path, fd->get(), late.flags);
    } else {
      run_->problem(path, fd.error());
    }
  }
}

// Folders came in key order, every one before what it holds: backwards, the deepest come first.
void Placer::apply_late_folders() {
  for (auto late = late_folders_.rbegin(); late != late_folders_.rend(); ++late) {
    if (!run_->check()) return;
    const std::string path = path_of(*late->folder, {});
    const Status applied = [&]() -> Status {
      format::FileAttributes attributes = TRY(format::decode_file_attributes(
          ByteView(late_attributes_).subspan(late->attributes_at, late->attributes_size_bytes)));
      const EntryPlan plan = planner_.plan(std::move(attributes), path);
      const FolderCache::Open dir = TRY(run_->folders.open(late->folder));
      const os::NodeState state = TRY(os::node_state({.fd = dir->get()}));
      Before before = before_of(state);
      before.has_xattrs = !late->folder->made;
      apply_metadata(*run_, path, {.fd = dir->get()}, plan, before);
      if (differs_in_flags(state, plan, run_->policy)) {
        apply_flags(*run_, path, dir->get(), plan.attributes.flags);
      }
      return {};
    }();
    if (!applied) run_->problem(path, applied.error());
    late->folder.reset();
  }
  late_folders_.clear();
}

}  // namespace holdfast::target::filetree
