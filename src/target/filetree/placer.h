// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "target/filetree/file_writer.h"
#include "target/filetree/unfinished.h"

namespace holdfast::target::filetree {

// Takes the entries in key order: makes folders, symlinks, special files and links at once, hands out writers for
// regular files, and leaves to finish() what must come last. One thread.
class Placer {
 public:
  explicit Placer(std::shared_ptr<Run> run);
  Status begin();
  Result<Placement> place(ByteView key, const format::Entry& entry);
  Result<std::vector<Problem>> finish();

 private:
  // The folders from the target down to the one that is being filled.
  struct Level {
    std::shared_ptr<Folder> folder;
    std::unordered_set<std::string> names;  // Placed in it; kept only where extra names will be deleted.
    std::string last_leaf;                  // The last name placed that is no folder.
    bool removes_extra = false;             // The point has the folder, so it knows all that belongs in it.
  };
  static Placement done(bool kept) { return {.action = Placement::Action::done, .writer = nullptr, .kept = kept}; }
  static Placement left_out() { return {.action = Placement::Action::left_out, .writer = nullptr, .kept = false}; }

  struct Spot {  // Where an entry goes.
    std::shared_ptr<Folder> folder;
    std::string name;
    FolderCache::Open dir;  // Null in a dry run beneath a missing folder.
    std::optional<os::NodeState> there;
    os::Node node() const { return {.dir_fd = dir->get(), .name = name.c_str()}; }
  };
  struct LateLink {
    std::shared_ptr<LinkGroup> group;
    std::shared_ptr<Folder> folder;
    std::string name;
  };
  struct LateFolder {
    std::shared_ptr<Folder> folder;
    size_t attributes_at = 0;  // In late_attributes_.
    uint32_t attributes_size_bytes = 0;
  };

  Result<Placement> place_key(ByteView key, const format::Entry& entry);
  Status descend(const std::vector<std::string>& parts);
  void leave_level();
  bool deletes_in(const Folder& folder) const;
  Result<Spot> look(const std::string& name);

  Result<Placement> place_root(ByteView attributes);
  Result<Placement> place_folder(const std::vector<std::string>& parts, ByteView attributes);
  void set_metadata_late(const std::shared_ptr<Folder>& folder, ByteView attributes);
  Result<std::shared_ptr<Folder>> enter_folder(const std::string& name, bool& existed);
  Status take_over(const std::shared_ptr<Folder>& folder, const Folder* parent, bool existed);
  Result<Placement> place_leaf(const std::string& name, const format::Entry& entry,
                               format::FileAttributes attributes);
  Result<std::optional<Placement>> place_link(const Spot& spot, uint64_t link_group,
                                              std::shared_ptr<LinkGroup>& group);
  Result<Placement> place_file(Spot spot, EntryPlan plan, uint64_t size_bytes, std::shared_ptr<LinkGroup> group);
  Result<Placement> place_node(const Spot& spot, const EntryPlan& plan, const std::shared_ptr<LinkGroup>& group);
  Result<bool> keep_file(const Spot& spot, const EntryPlan& plan);
  bool keeps(const Spot& spot, const format::FileAttributes& attributes) const;

  void apply_late_links();
  void apply_late_flags();
  void apply_late_folders();

  std::shared_ptr<Run> run_;  // Shared with the writers.
  Planner planner_;
  UnfinishedMark mark_;
  std::vector<Level> levels_;
  std::vector<std::string> blocked_;  // A folder that could not be made: what lies beneath is left out.
  Bytes last_key_;
  bool any_key_ = false;
  std::unordered_map<uint64_t, std::shared_ptr<LinkGroup>> groups_;
  std::vector<LateLink> late_links_;
  std::vector<LateFolder> late_folders_;
  Bytes late_attributes_;  // Encoded, one after another: a million folders must not cost much.
};

}  // namespace holdfast::target::filetree
