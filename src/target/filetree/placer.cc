// SPDX-License-Identifier: Apache-2.0
// Keys and folders. Leaves are placed by placer_leaf.cc; what comes last stands in placer_finish.cc.
#include "target/filetree/placer.h"

#include "target/filetree/remove.h"

namespace holdfast::target::filetree {

namespace {

constexpr size_t name_size_bytes_max = 255;  // NAME_MAX of every file system Linux has.

Status check_name(std::string_view name) {
  if (name.empty()) return Error(ErrorCode::invalid, "a component of the path is empty");
  if (name == "." || name == "..") {
    return Error(ErrorCode::invalid, "a component of the path is '" + std::string(name) + "'");
  }
  if (name.find('/') != std::string_view::npos) return Error(ErrorCode::invalid, "a component of the path has a slash");
  if (name.size() > name_size_bytes_max) {
    return Error(ErrorCode::invalid, "a component of the path is longer than 255 bytes");
  }
  return {};
}

// Components of a key; none for the empty one. Every one is fit to be a name in a folder.
Result<std::vector<std::string>> split_key(ByteView key) {
  std::vector<std::string> parts;
  if (key.empty()) return parts;
  std::string_view rest = as_text(key);
  for (;;) {
    const size_t end = rest.find('\0');
    const std::string_view name = rest.substr(0, end);
    TRY_DO(check_name(name));
    parts.emplace_back(name);
    if (end == std::string_view::npos) return parts;
    rest = rest.substr(end + 1);
  }
}

// For messages about keys that may hold anything.
std::string display(ByteView key) {
  std::string path(as_text(key));
  for (char& c : path) c = c == '\0' ? '/' : c;
  return path;
}

bool is_beneath(const std::vector<std::string>& parts, const std::vector<std::string>& folder) {
  return parts.size() > folder.size() && std::equal(folder.begin(), folder.end(), parts.begin());
}

}  // namespace

Placer::Placer(std::shared_ptr<Run> run) : run_(std::move(run)), planner_(*run_), mark_(run_->options.boot_id) {
  auto root = std::make_shared<Folder>();
  root->missing = !run_->folders.root()->is_open();
  levels_.push_back({.folder = std::move(root), .names = {}, .last_leaf = {}});
}

Status Placer::begin() {
  Folder& root = *levels_.front().folder;
  if (root.missing || run_->options.dry_run) return {};
  TRY_DO(take_over(levels_.front().folder, nullptr, true));
  const Result<bool> other_life = run_->watch(mark_.set(run_->folders.root()->get()));
  TRY_DO(run_->check());
  // Where no file can be made in the target itself there is no mark, and no more can be promised than its absence says.
  run_->trusts_times = !other_life.has_value() || !*other_life;
  return {};
}

Result<Placement> Placer::place(ByteView key, const format::Entry& entry) {
  TRY_DO(run_->check());
  Result<Placement> placement = place_key(key, entry);
  if (placement) return placement;
  TRY_DO(run_->check());
  run_->problem(display(key), std::move(placement.error()));
  return left_out();
}

Result<Placement> Placer::place_key(ByteView key, const format::Entry& entry) {
  if (any_key_ && compare(last_key_, key) >= 0) {
    return Error(ErrorCode::corrupt, "out of order in the point");
  }
  any_key_ = true;
  last_key_.assign(key.begin(), key.end());
  const std::optional<Bytes>& prefix = run_->options.strip_prefix;
  ByteView rest = key;
  if (prefix && !prefix->empty()) {
    const bool inside = key.size() >= prefix->size() && equal(key.first(prefix->size()), *prefix) &&
                        (key.size() == prefix->size() || key[prefix->size()] == std::byte{0});
    if (!inside) return left_out();
    rest = key.subspan(std::min(key.size(), prefix->size() + 1));
    if (key.size() > prefix->size() && rest.empty()) TRY_DO(check_name({}));
  }
  std::vector<std::string> parts = TRY(split_key(rest));
  if (is_beneath(parts, blocked_) && !blocked_.empty()) {
    run_->lacks(Lack::beneath, display(key), "its folder could not be restored");
    return left_out();
  }
  blocked_.clear();
  const Status is_file = format::expect_kind(entry.kind, format::EntryKind::file);
  auto decoded = is_file ? format::decode_file_attributes(entry.attributes)
                         : Result<format::FileAttributes>(is_file.error());
  if (!decoded && !parts.empty()) {
    // The point has something of that name: what stands there is none too many.
    TRY_DO(descend(parts));
    if (deletes_in(*levels_.back().folder)) levels_.back().names.insert(parts.back());
  }
  format::FileAttributes attributes = TRY(std::move(decoded));
  const bool is_folder = attributes.type == format::FileType::directory;
  if (parts.empty() && is_folder) return place_root(entry.attributes);
  if (parts.empty()) {  // The prefix names a single file: it keeps its name.
    std::vector<std::string> whole = TRY(split_key(key));
    if (whole.empty()) return Error(ErrorCode::invalid, "the root is no folder in the point");
    parts.push_back(std::move(whole.back()));
  }
  TRY_DO(descend(parts));
  Level& level = levels_.back();
  if (deletes_in(*level.folder)) level.names.insert(parts.back());
  if (is_folder) return place_folder(parts, entry.attributes);
  level.last_leaf = parts.back();
  return place_leaf(parts.back(), entry, std::move(attributes));
}

bool Placer::deletes_in(const Folder& folder) const {
  return run_->options.delete_extra && !folder.made && !folder.missing;
}

// Leaves the folders that do not lead to the entry and enters those that do. A folder that the point does not have
// (only part of it is restored) is made without metadata of its own.
Status Placer::descend(const std::vector<std::string>& parts) {
  size_t common = 0;
  while (common + 1 < levels_.size() && common + 1 < parts.size() &&
         levels_[common + 1].folder->name == parts[common]) {
    ++common;
  }
  while (levels_.size() > common + 1) leave_level();
  while (levels_.size() < parts.size()) {
    Level& level = levels_.back();
    const std::string& name = parts[levels_.size() - 1];
    if (level.last_leaf == name) {
      return Error(ErrorCode::invalid, "what should hold it is no folder in the point");
    }
    if (deletes_in(*level.folder)) level.names.insert(name);
    bool existed = false;
    std::shared_ptr<Folder> folder = TRY(enter_folder(name, existed));
    levels_.push_back({.folder = std::move(folder), .names = {}, .last_leaf = {}});
  }
  return {};
}

void Placer::leave_level() {
  const Level& level = levels_.back();
  if (level.removes_extra && deletes_in(*level.folder)) remove_extra(*run_, level.folder, level.names);
  levels_.pop_back();
}

void Placer::set_metadata_late(const std::shared_ptr<Folder>& folder, ByteView attributes) {
  if (run_->options.dry_run) return;
  late_folders_.push_back(
      {folder, late_attributes_.size(), static_cast<uint32_t>(attributes.size())});
  late_attributes_.insert(late_attributes_.end(), attributes.begin(), attributes.end());
}

Result<Placement> Placer::place_root(ByteView attributes) {
  levels_.front().removes_extra = true;
  const bool keeps = run_->options.overwrite == Overwrite::never;
  if (run_->options.strip_prefix && !keeps) set_metadata_late(levels_.front().folder, attributes);
  return done(!levels_.front().folder->missing);
}

Result<Placement> Placer::place_folder(const std::vector<std::string>& parts, ByteView attributes) {
  bool existed = false;
  Result<std::shared_ptr<Folder>> folder = enter_folder(parts.back(), existed);
  if (!folder) {
    blocked_ = parts;
    return std::move(folder.error());
  }
  levels_.push_back({.folder = *folder, .names = {}, .last_leaf = {}, .removes_extra = true});
  if (!existed || run_->options.overwrite != Overwrite::never) set_metadata_late(*folder, attributes);
  return done(existed);
}

Result<Placer::Spot> Placer::look(const std::string& name) {
  Spot spot{.folder = levels_.back().folder, .name = name, .dir = nullptr, .there = {}};
  if (spot.folder->missing) return spot;
  spot.dir = TRY(run_->folders.open(spot.folder));
  if (!spot.folder->made) spot.there = TRY(os::node_state_if_any(spot.node()));
  return spot;
}

Result<std::shared_ptr<Folder>> Placer::enter_folder(const std::string& name, bool& existed) {
  const Spot spot = TRY(look(name));
  auto folder = std::make_shared<Folder>();
  folder->parent = spot.folder;
  folder->name = name;
  existed = spot.there && spot.there->is_directory();
  if (spot.there && !existed && run_->options.overwrite == Overwrite::never) {
    return Error(ErrorCode::conflict, "make folder " + name + ": something else stands there and is to be kept");
  }
  if (run_->options.dry_run) {
    folder->missing = !existed;
    return folder;
  }
  if (existed) {
    clear_flags(*run_, spot.dir->get(), name, *spot.there);
  } else {
    if (spot.there) TRY_DO(make_way(*run_, spot.folder, name, *spot.there));
    constexpr uint32_t private_mode = 0700;  // Until everything in it has its own metadata.
    TRY_DO(run_->watch(os::make_directory_at(spot.dir->get(), name, private_mode)));
    folder->made = true;
  }
  TRY_DO(take_over(folder, spot.folder.get(), existed));
  return folder;
}

// Learns what creation in the folder will give, and makes sure that we can write to it.
Status Placer::take_over(const std::shared_ptr<Folder>& folder, const Folder* parent, bool existed) {
  const FolderCache::Open dir = TRY(run_->folders.open(folder));
  const os::NodeState state = TRY(os::node_state({.fd = dir->get()}));
  constexpr uint32_t setgid = 02000, owner_all = 0700;
  folder->creation_group_id = state.group_id;
  folder->group_known = !existed || (state.mode & setgid) != 0;
  if (existed) {
    folder->inherits_acl = os::has_default_acl(dir->get());
    const bool ours = state.user_id == run_->user_id && run_->user_id != 0;
    if (!ours || (state.mode & owner_all) == owner_all) return {};
    return os::change_mode({.fd = dir->get()}, (state.mode & 07777u) | owner_all);
  }
  if (parent != nullptr && parent->inherits_acl) {
    TRY_DO(os::remove_xattr({.fd = dir->get()}, "system.posix_acl_default"));
    TRY_DO(os::remove_xattr({.fd = dir->get()}, "system.posix_acl_access"));
    TRY_DO(os::change_mode({.fd = dir->get()}, owner_all));
  }
  return {};
}

}  // namespace holdfast::target::filetree
