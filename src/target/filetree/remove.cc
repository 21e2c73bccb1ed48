// SPDX-License-Identifier: Apache-2.0
#include "target/filetree/remove.h"

#include "target/filetree/temporary.h"

namespace holdfast::target::filetree {

namespace {

// One folder on the way down. Walked with a list of our own: trees of others may be deeper than any stack.
struct Frame {
  std::shared_ptr<Folder> folder;
  std::vector<os::DirectoryItem> items;
  size_t next = 0;
  bool keeps_something = false;
};

class Remover {
 public:
  Remover(Run& run, const std::shared_ptr<Folder>& base) : run_(run), base_(base) {}

  // Removes one name of the base folder with all beneath it. False if something stays.
  bool remove(const os::DirectoryItem& item) {
    Frame base{.folder = base_, .items = {}};
    step(base, item);
    while (!frames_.empty()) {
      Frame& frame = frames_.back();
      if (frame.next < frame.items.size()) {
        const os::DirectoryItem child = std::move(frame.items[frame.next++]);
        step(frame, child);  // May add a frame: `frame` is not used after it.
      } else {
        leave();
      }
    }
    return !base.keeps_something && !kept_in_base_;
  }

 private:
  void step(Frame& frame, const os::DirectoryItem& item) {
    const Status removed = try_step(frame.folder, item);
    if (removed) return;
    if (removed.error().code() == ErrorCode::not_found) return;
    run_.saw(removed.error());
    if (removed.error().code() != ErrorCode::cancelled) {
      run_.problem(path_of(*frame.folder, item.name), removed.error());
    }
    frame.keeps_something = true;
  }

  // `cancelled`: to be kept.
  Status try_step(const std::shared_ptr<Folder>& folder, const os::DirectoryItem& item) {
    const FileTreeTargetOptions& options = run_.options;
    if (options.may_delete && !options.may_delete(key_of(run_, *folder, item.name))) {
      return Error(ErrorCode::cancelled, "kept");
    }
    const FolderCache::Open dir = TRY(run_.folders.open(folder));
    if (item.kind == os::FileKind::directory) return enter(folder, item.name);
    if (!options.dry_run) TRY_DO(unlink(dir->get(), item.name));
    tell(*folder, item.name);
    return {};
  }

  Status unlink(int dir_fd, const std::string& name) {
    const Status removed = os::unlink_at(dir_fd, name);
    if (removed || removed.error().code() != ErrorCode::denied) return removed;
    clear_flags(run_, dir_fd, name, TRY(os::node_state({.dir_fd = dir_fd, .name = name.c_str()})));
    return os::unlink_at(dir_fd, name);
  }

  void tell(const Folder& folder, const std::string& name) const {
    if (run_.options.removed) run_.options.removed(key_of(run_, folder, name));
  }

  Status enter(const std::shared_ptr<Folder>& folder, const std::string& name) {
    auto child = std::make_shared<Folder>();
    child->parent = folder;
    child->name = name;
    const FolderCache::Open dir = TRY(run_.folders.open(child));
    const os::NodeState state = TRY(os::node_state({.fd = dir->get()}));
    if (state.flags != 0 && run_.policy.flags && !run_.options.dry_run) {
      TRY_DO(os::change_flags(dir->get(), os::node_immutable | os::node_append_only, 0));
    }
    std::vector<os::DirectoryItem> items = TRY(os::list_directory_at(dir->get(), "."));
    frames_.push_back({.folder = std::move(child), .items = std::move(items)});
    return {};
  }

  void leave() {
    const Frame done = std::move(frames_.back());
    frames_.pop_back();
    bool kept = done.keeps_something;
    if (!kept) {
      const Status removed = remove_folder(*done.folder);
      kept = !removed && removed.error().code() != ErrorCode::not_found;
      if (kept) run_.problem(path_of(*done.folder, {}), removed.error());
      if (removed) tell(*done.folder, {});
    }
    if (!kept) return;
    if (frames_.empty()) {
      kept_in_base_ = true;
    } else {
      frames_.back().keeps_something = true;
    }
  }

  Status remove_folder(const Folder& folder) {
    if (run_.options.dry_run) return {};
    const FolderCache::Open parent = TRY(run_.folders.open(folder.parent));
    return os::remove_directory_at(parent->get(), folder.name);
  }

  Run& run_;
  const std::shared_ptr<Folder>& base_;
  std::vector<Frame> frames_;
  bool kept_in_base_ = false;
};

// Whether a name that looks temporary belongs to a writer that is still at work.
bool is_in_use(int dir_fd, const std::string& name) {
  if (!name.starts_with(temporary_prefix)) return false;
  const Result<os::Fd> fd =
      os::open_beneath(dir_fd, name, {.access = os::Access::read, .nonblocking = true}, os::Mounts::stay);
  if (!fd) return false;
  const Result<bool> locked = os::try_lock_file(fd->get(), os::FileLock::exclusive);
  return locked && !*locked;
}

}  // namespace

Bytes key_of(const Run& run, const Folder& folder, const std::string& name) {
  std::string path = path_of(folder, name);
  if (path == ".") path.clear();
  for (char& c : path) c = c == '/' ? '\0' : c;
  Bytes key = run.options.strip_prefix.value_or(Bytes());
  if (!key.empty() && !path.empty()) key.push_back(std::byte{0});
  key.insert(key.end(), as_bytes(path).begin(), as_bytes(path).end());
  return key;
}

void remove_extra(Run& run, const std::shared_ptr<Folder>& folder,
                  const std::unordered_set<std::string>& keep) {
  const Result<FolderCache::Open> dir = run.folders.open(folder);
  if (!dir) return run.problem(path_of(*folder, {}), dir.error());
  const Result<std::vector<os::DirectoryItem>> items = os::list_directory_at((*dir)->get(), ".");
  if (!items) return run.problem(path_of(*folder, {}), items.error());
  std::unordered_set<std::string> temporaries;
  for (const std::string& name : keep) temporaries.insert(lasting_temporary_name(name));
  Remover remover(run, folder);
  for (const os::DirectoryItem& item : *items) {
    if (keep.contains(item.name) || temporaries.contains(item.name)) continue;
    if (is_in_use((*dir)->get(), item.name)) continue;
    if (!run.check()) return;
    remover.remove(item);
  }
}

namespace {

Status check_empty(int dir_fd, const std::string& name) {
  if (TRY(os::list_directory_at(dir_fd, name)).empty()) return {};
  return Error(ErrorCode::conflict, name + " is not empty");
}

}  // namespace

Status make_way(Run& run, const std::shared_ptr<Folder>& folder, const std::string& name,
                const os::NodeState& there) {
  const FolderCache::Open dir = TRY(run.folders.open(folder));
  const bool dry_run = run.options.dry_run;
  if (!there.is_directory()) return dry_run ? Status() : run.watch(os::unlink_at(dir->get(), name));
  const Status removed = dry_run ? check_empty(dir->get(), name) : os::remove_directory_at(dir->get(), name);
  if (removed || removed.error().code() != ErrorCode::conflict) return removed;
  if (!run.options.delete_extra) {
    return Error(ErrorCode::conflict, "replace " + name + ": a folder stands there that is not empty")
        .with_hint("Restore with deletion of what is not in the point, or elsewhere.");
  }
  if (!Remover(run, folder).remove({.name = name, .kind = os::FileKind::directory})) {
    return Error(ErrorCode::conflict, "replace " + name + ": a folder stands there that could not be removed");
  }
  return {};
}

void clear_flags(Run& run, int dir_fd, const std::string& name, const os::NodeState& there) {
  constexpr uint32_t in_the_way = os::node_immutable | os::node_append_only;
  if ((there.flags & in_the_way) == 0 || !run.policy.flags) return;
  if (!there.is_regular() && !there.is_directory()) return;
  if (there.is_regular() && there.link_count != 1) return;  // Its other names may be elsewhere.
  const Result<os::Fd> fd = os::open_beneath(dir_fd, name, {.nonblocking = true}, os::Mounts::stay);
  if (!fd) return;
  const Result<os::NodeState> state = os::node_state({.fd = fd->get()});
  if (!state || state->inode != there.inode || state->device != there.device) return;
  os::change_flags(fd->get(), in_the_way, 0).ignore("what comes next will say that it is not allowed");
}

}  // namespace holdfast::target::filetree
