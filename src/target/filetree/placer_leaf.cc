// SPDX-License-Identifier: Apache-2.0
// Everything that is no folder.
#include "target/filetree/placer.h"
#include "target/filetree/remove.h"

namespace holdfast::target::filetree {

namespace {

using format::FileType;

constexpr uint32_t type_bits = 0170000;

// Takes the bytes of a dry run.
class NullWriter : public Writer {
 public:
  explicit NullWriter(std::string name) : name_(std::move(name)) {}
  std::string name() const override { return name_; }
  Status write_whole(ByteView) override { return {}; }
  Status prepare(uint64_t) override { return {}; }
  Status write_at(uint64_t, ByteView) override { return {}; }
  Status make_hole(uint64_t, uint64_t) override { return {}; }
  Result<bool> read_existing(uint64_t, MutableByteView) override { return false; }
  Status complete() override { return {}; }

 private:
  const std::string name_;
};

uint32_t stat_type(FileType type) {
  switch (type) {
    case FileType::regular: return 0100000;
    case FileType::directory: return 0040000;
    case FileType::symlink: return 0120000;
    case FileType::block_device: return 0060000;
    case FileType::char_device: return 0020000;
    case FileType::fifo: return 0010000;
    case FileType::socket: return 0140000;
  }
  return 0;
}

bool is_device(FileType type) { return type == FileType::block_device || type == FileType::char_device; }

Status check_allowed(const format::FileAttributes& attributes, const Policy& policy) {
  const FileType type = attributes.type;
  if (type == FileType::symlink) {
    const std::string_view text = as_text(attributes.symlink_target);
    if (text.empty() || text.find('\0') != std::string_view::npos) {
      return Error(ErrorCode::invalid, "impossible text of a symlink");
    }
    return {};
  }
  const auto refuse = [](std::string_view what) {
    return Error(ErrorCode::refused, std::string(what) + " not asked for: left out");
  };
  if (is_device(type) && !policy.devices) return refuse("devices");
  if (type == FileType::socket && !policy.sockets) return refuse("sockets");
  if (type == FileType::fifo && !policy.fifos) return refuse("FIFOs");
  return {};
}

Status make_node(int dir_fd, const std::string& name, const format::FileAttributes& attributes) {
  const uint32_t mode = attributes.mode & 0700u;  // The rest when it has its owner.
  switch (attributes.type) {
    case FileType::symlink:
      return os::make_symlink_at(dir_fd, name.c_str(), std::string(as_text(attributes.symlink_target)));
    case FileType::block_device:
      return os::make_node_at(dir_fd, name.c_str(), os::NodeKind::block_device, mode, attributes.device_major,
                              attributes.device_minor);
    case FileType::char_device:
      return os::make_node_at(dir_fd, name.c_str(), os::NodeKind::char_device, mode, attributes.device_major,
                              attributes.device_minor);
    case FileType::fifo:
      return os::make_node_at(dir_fd, name.c_str(), os::NodeKind::fifo, mode, 0, 0);
    case FileType::socket:
      return os::make_node_at(dir_fd, name.c_str(), os::NodeKind::socket, mode, 0, 0);
    default:
      return Error(ErrorCode::corrupt, "unknown type of file");
  }
}

// Whether the same symlink or special file stands there, its metadata apart.
Result<bool> is_same_node(int dir_fd, const std::string& name, const os::NodeState& there,
                          const format::FileAttributes& attributes) {
  if ((there.mode & type_bits) != stat_type(attributes.type)) return false;
  if (attributes.type == FileType::symlink) {
    return equal(TRY(os::read_symlink(dir_fd, name.c_str())), attributes.symlink_target);
  }
  return !is_device(attributes.type) || (there.device_major == attributes.device_major &&
                                         there.device_minor == attributes.device_minor);
}

}  // namespace

// Whether what stands there is not to be touched.
bool Placer::keeps(const Spot& spot, const format::FileAttributes& attributes) const {
  if (!spot.there) return false;
  if (run_->options.overwrite == Overwrite::never) return true;
  if (run_->options.overwrite != Overwrite::if_newer) return false;
  const format::FileTime there{spot.there->modified.seconds, spot.there->modified.nanoseconds};
  return there >= attributes.modified;
}

Result<Placement> Placer::place_leaf(const std::string& name, const format::Entry& entry,
                                     format::FileAttributes attributes) {
  Spot spot = TRY(look(name));
  if (name.starts_with(temporary_prefix)) spot.folder->reserved_names = true;
  TRY_DO(check_allowed(attributes, run_->policy));
  if (keeps(spot, attributes)) return done(true);
  const bool replaces = spot.there.has_value();
  if (spot.there && spot.there->is_directory()) {
    TRY_DO(make_way(*run_, spot.folder, name, *spot.there));
    spot.there.reset();
  }
  std::shared_ptr<LinkGroup> group;
  if (attributes.link_group != 0) {
    if (std::optional<Placement> linked = TRY(place_link(spot, attributes.link_group, group))) {
      linked->replaces = replaces;
      return *std::move(linked);
    }
  }
  EntryPlan plan = planner_.plan(std::move(attributes), path_of(*spot.folder, name));
  if (plan.attributes.type == FileType::regular) {
    Placement placed =
        TRY(place_file(std::move(spot), std::move(plan), format::content_size_bytes(entry.content), std::move(group)));
    placed.replaces = replaces;
    return placed;
  }
  Result<Placement> placed = place_node(spot, plan, group);
  if (!placed && group != nullptr) group->failed();
  if (placed) placed->replaces = replaces;
  return placed;
}

// A placement if the name needs no content of its own; else the group it is the first name of.
Result<std::optional<Placement>> Placer::place_link(const Spot& spot, uint64_t link_group,
                                                    std::shared_ptr<LinkGroup>& group) {
  std::shared_ptr<LinkGroup>& known = groups_[link_group];
  const LinkGroup::First first = known != nullptr ? known->first() : LinkGroup::First{};
  if (known == nullptr || first.state == LinkGroup::State::failed) {
    known = std::make_shared<LinkGroup>();
    group = known;
    return std::optional<Placement>();
  }
  if (run_->options.dry_run) {
    const bool kept = first.state == LinkGroup::State::done && spot.there && spot.there->inode == first.inode &&
                      spot.there->device == first.device;
    return std::optional(done(kept));
  }
  if (first.state == LinkGroup::State::done) {
    const bool kept = TRY(link_to_first(*run_, first, spot.folder, spot.name));
    return std::optional(done(kept));
  }
  late_links_.push_back({known, spot.folder, spot.name});
  return std::optional(done(false));
}

Result<Placement> Placer::place_file(Spot spot, EntryPlan plan, uint64_t size_bytes,
                                     std::shared_ptr<LinkGroup> group) {
  Standing standing = Standing::nothing;
  if (spot.there) {
    const bool usable = spot.there->is_regular() && spot.there->link_count == 1 &&
                        run_->options.overwrite != Overwrite::always &&
                        !spot.name.starts_with(temporary_prefix);
    standing = usable ? Standing::usable_file : Standing::replaceable;
    const bool same = run_->options.overwrite == Overwrite::if_changed && run_->trusts_times &&
                      spot.there->is_regular() &&
                      spot.there->size_bytes == size_bytes &&
                      same_time(spot.there->modified, plan.attributes.modified);
    if (same && TRY(keep_file(spot, plan))) {
      if (group != nullptr) group->done(spot.folder, spot.name, *spot.there);
      return done(true);
    }
  }
  if (run_->options.dry_run) {
    if (size_bytes == 0) return done(false);
    return Placement{.action = Placement::Action::write,
                     .writer = std::make_shared<NullWriter>(path_of(*spot.folder, spot.name)),
                     .kept = false};
  }
  if (spot.there) clear_flags(*run_, spot.dir->get(), spot.name, *spot.there);
  auto writer = std::make_shared<FileWriter>(FileTask{.run = run_,
                                                      .folder = std::move(spot.folder),
                                                      .name = std::move(spot.name),
                                                      .plan = std::move(plan),
                                                      .standing = standing,
                                                      .group = std::move(group)});
  if (size_bytes > 0) return Placement{.action = Placement::Action::write, .writer = std::move(writer), .kept = false};
  TRY_DO(writer->write_whole({}));
  return done(false);
}

// Gives a file with the right size and time the metadata that it lacks. False if that cannot be done to it safely.
Result<bool> Placer::keep_file(const Spot& spot, const EntryPlan& plan) {
  Run& run = *run_;
  if (TRY(has_metadata(spot.node(), *spot.there, plan, run.policy))) return true;
  if (spot.there->link_count != 1) return false;  // Its other names may be elsewhere.
  if (run.options.dry_run) return true;
  clear_flags(run, spot.dir->get(), spot.name, *spot.there);
  const os::Mounts mounts = run.options.cross_mounts ? os::Mounts::cross : os::Mounts::stay;
  const Result<os::Fd> fd = os::open_beneath(spot.dir->get(), spot.name, {.nonblocking = true}, mounts);
  if (!fd) return false;
  const os::NodeState state = TRY(os::node_state({.fd = fd->get()}));
  if (state.inode != spot.there->inode || state.device != spot.there->device || state.link_count != 1) {
    return false;
  }
  apply_metadata(run, path_of(*spot.folder, spot.name), {.fd = fd->get()}, plan, before_of(state));
  if (differs_in_flags(state, plan, run.policy)) {
    run.set_flags_late({spot.folder, spot.name, plan.attributes.flags});
  }
  return true;
}

// Symlinks and special files.
Result<Placement> Placer::place_node(const Spot& spot, const EntryPlan& plan,
                                     const std::shared_ptr<LinkGroup>& group) {
  Run& run = *run_;
  const bool dry_run = run.options.dry_run;
  if (dry_run && !spot.there) return done(false);
  const int dir_fd = spot.dir->get();
  const std::string path = path_of(*spot.folder, spot.name);
  const bool same = spot.there && run.options.overwrite != Overwrite::always &&
                    TRY(is_same_node(dir_fd, spot.name, *spot.there, plan.attributes));
  if (same && TRY(has_metadata(spot.node(), *spot.there, plan, run.policy))) {
    if (group != nullptr) group->done(spot.folder, spot.name, *spot.there);
    return done(true);
  }
  if (dry_run) return done(false);
  const std::string made_name = spot.there ? random_temporary_name() : spot.name;
  TRY_DO(run.watch(make_node(dir_fd, made_name, plan.attributes)));
  // By handle: from here on, whatever takes the name is not touched.
  const os::Fd handle = TRY(os::open_node_at(dir_fd, made_name.c_str()));
  const os::NodeState state = TRY(os::node_state({.fd = handle.get(), .is_handle = true}));
  if ((state.mode & type_bits) != stat_type(plan.attributes.type) || state.link_count != 1) {
    return Error(ErrorCode::changed, "it was replaced while it was made");
  }
  Before before = before_of(state);
  before.has_xattrs = spot.folder->inherits_acl && plan.attributes.type != FileType::symlink;
  apply_metadata(run, path, {.fd = handle.get(), .is_handle = true}, plan, before);
  if (spot.there) {
    const Status renamed = run.watch(os::rename_at(dir_fd, made_name, dir_fd, spot.name));
    if (!renamed) {
      os::unlink_at(dir_fd, made_name).ignore("the first failure is the one to report");
      return renamed.error();
    }
  }
  if (group != nullptr) group->done(spot.folder, spot.name, state);
  return done(false);
}

}  // namespace holdfast::target::filetree
