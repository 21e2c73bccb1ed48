// SPDX-License-Identifier: Apache-2.0
#include "target/filetree/hard_links.h"

#include "target/filetree/temporary.h"

namespace holdfast::target::filetree {

void LinkGroup::done(std::shared_ptr<Folder> folder, std::string name, const os::NodeState& node) {
  const MutexLock lock(mutex_);
  first_ = {State::done, std::move(folder), std::move(name), node.inode, node.device};
}

void LinkGroup::failed() {
  const MutexLock lock(mutex_);
  if (first_.state == State::writing) first_.state = State::failed;
}

LinkGroup::First LinkGroup::first() const {
  const MutexLock lock(mutex_);
  return first_;
}

Result<bool> link_to_first(Run& run, const LinkGroup::First& first, const std::shared_ptr<Folder>& folder,
                           const std::string& name) {
  const FolderCache::Open first_dir = TRY(run.folders.open(first.folder));
  const FolderCache::Open dir = TRY(run.folders.open(folder));
  const std::optional<os::NodeState> there =
      TRY(os::node_state_if_any({.dir_fd = dir->get(), .name = name.c_str()}));
  if (there && there->inode == first.inode && there->device == first.device) return true;
  const os::Fd file = TRY(os::open_node_at(first_dir->get(), first.name.c_str()));
  const os::NodeState found = TRY(os::node_state({.fd = file.get()}));
  if (found.inode != first.inode || found.device != first.device) {
    return Error(ErrorCode::changed, "link to " + first.name + ": it was replaced meanwhile");
  }
  if (!there) {
    TRY_DO(run.watch(os::link_node_at(file.get(), dir->get(), name.c_str())));
    return false;
  }
  const std::string temporary = random_temporary_name();
  TRY_DO(run.watch(os::link_node_at(file.get(), dir->get(), temporary.c_str())));
  const Status renamed = os::rename_at(dir->get(), temporary, dir->get(), name);
  if (!renamed) {
    os::unlink_at(dir->get(), temporary).ignore("the first failure is the one to report");
    return renamed.error();
  }
  return false;
}

}  // namespace holdfast::target::filetree
