// SPDX-License-Identifier: Apache-2.0
#include "tree/copy.h"
#include "tree/level_stack.h"
#include "tree/tree.h"

namespace holdfast::tree {

struct Builder::Impl {
  Impl(NodeStore& node_store, const Config& config) : nodes(node_store), levels(node_store, config) {}
  NodeStore& nodes;
  LevelStack levels;
};

Builder::Builder(NodeStore& nodes, const Config& config) : impl_(std::make_unique<Impl>(nodes, config)) {}
Builder::~Builder() = default;
Builder::Builder(Builder&&) noexcept = default;

Status Builder::append(ByteView key, ByteView value) { return impl_->levels.append(key, value); }

Status Builder::append_tree(const Root& subtree) {
  NodeWalker walker(impl_->nodes);
  walker.open(subtree);
  if (!impl_->levels.empty()) {
    // Whole nodes are taken over by their last keys, so the order has to be checked at the first one.
    TRY_DO(walker.seek({}));
    if (!walker.at_end() && compare(walker.key(), impl_->levels.last_key()) <= 0)
      return Error(ErrorCode::invalid, "tree: the subtree does not sort after what is there");
    walker.restart();
  }
  return copy_until(walker, impl_->levels, nullptr, AtEnd::more_may_follow);
}

Result<Root> Builder::finish() { return impl_->levels.finish(); }

}  // namespace holdfast::tree
