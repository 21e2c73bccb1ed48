// SPDX-License-Identifier: Apache-2.0
#include "target/filetree/filetree_target.h"

#include "os/apply_metadata.h"
#include "target/filetree/placer.h"

namespace holdfast::target {

namespace {

constexpr uint32_t directory_mode = 0700;  // Nobody else may look in before the point's metadata is set.

// The folder, or nothing in a dry run into one that does not exist.
Result<os::Fd> open_root(const FileTreeTargetOptions& options) {
  Result<os::Fd> root = os::open(options.directory, {.directory = true});
  if (root || options.dry_run || root.error().code() != ErrorCode::not_found) return root;
  TRY_DO(os::make_directories(options.directory, directory_mode));
  return os::open(options.directory, {.directory = true});
}

class Tree : public Target {
 public:
  explicit Tree(std::shared_ptr<filetree::Run> run) : placer_(std::move(run)) {}
  Status begin() override { return placer_.begin(); }
  Result<Placement> place(ByteView key, const format::Entry& entry) override {
    return placer_.place(key, entry);
  }
  Result<std::vector<Problem>> finish() override { return placer_.finish(); }

 private:
  filetree::Placer placer_;
};

}  // namespace

Result<std::unique_ptr<Target>> FileTreeTarget::open(const FileTreeTargetOptions& options) {
  if (options.directory.empty()) return Error(ErrorCode::invalid, "restore: no folder to restore into");
  Result<os::Fd> root = open_root(options);
  const bool absent = !root && options.dry_run && root.error().code() == ErrorCode::not_found;
  if (!root && !absent) return std::move(root.error()).during("restore into " + options.directory);
  bool trusted = os::effective_user_id() == 0;
  if (root) {
    const os::NodeState state = TRY(os::node_state({.fd = root->get()}));
    trusted = trusted && state.user_id == 0;
  }
  if (root && !options.dry_run && os::is_read_only(root->get())) {
    return Error(ErrorCode::denied, "restore into " + options.directory + ": mounted read-only");
  }
  auto run = std::make_shared<filetree::Run>(options, filetree::decide_policy(options, trusted),
                                             root ? std::move(*root) : os::Fd());
  return std::make_unique<Tree>(std::move(run));
}

}  // namespace holdfast::target
