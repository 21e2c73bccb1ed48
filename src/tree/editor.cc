// SPDX-License-Identifier: Apache-2.0
#include "tree/copy.h"
#include "tree/tree.h"

namespace holdfast::tree {

struct Editor::Impl {
  Impl(NodeStore& nodes, const Config& config, const Root& base) : root(base), old(nodes), levels(nodes, config) {
    old.open(base);
  }
  // Copies everything before the change, and leaves `old` at what the change is about.
  Status advance_to(ByteView key) {
    if (changed && (compare(key, done_until) < 0 || (!done_exclusive && equal(key, done_until))))
      return Error(ErrorCode::invalid, "tree edit: changes are not in ascending order");
    changed = true;
    return copy_until(old, levels, &key, AtEnd::nothing_follows);
  }
  void set_done(ByteView key, bool exclusive) {
    done_until.assign(key.begin(), key.end());
    done_exclusive = exclusive;
  }
  void skip_equal(ByteView key) {
    if (!old.at_end() && equal(old.key(), key)) old.skip();
  }

  Root root;
  NodeWalker old;
  LevelStack levels;
  bool changed = false;
  bool to_the_end = false;      // A range without end was removed: nothing may come after it.
  Bytes done_until;             // The last change reached up to here ...
  bool done_exclusive = false;  // ... and left this very key alone.
};

Editor::Editor(NodeStore& nodes, const Config& config, const Root& base)
    : impl_(std::make_unique<Impl>(nodes, config, base)) {}
Editor::~Editor() = default;
Editor::Editor(Editor&&) noexcept = default;

Status Editor::put(ByteView key, ByteView value) {
  if (impl_->to_the_end) return Error(ErrorCode::invalid, "tree edit: a change after a range without end");
  TRY_DO(impl_->advance_to(key));
  impl_->skip_equal(key);
  impl_->set_done(key, false);
  return impl_->levels.append(key, value);
}

Status Editor::remove(ByteView key) {
  if (impl_->to_the_end) return Error(ErrorCode::invalid, "tree edit: a change after a range without end");
  TRY_DO(impl_->advance_to(key));
  impl_->skip_equal(key);
  impl_->set_done(key, false);
  return {};
}

Status Editor::remove_range(ByteView from, ByteView to) {
  if (impl_->to_the_end) return Error(ErrorCode::invalid, "tree edit: a change after a range without end");
  if (!to.empty() && compare(from, to) >= 0) return {};
  TRY_DO(impl_->advance_to(from));
  NodeWalker& old = impl_->old;
  while (!old.at_end()) {
    if (to.empty() || compare(old.key(), to) < 0) {
      old.skip();
    } else if (old.height() > 0) {
      TRY_DO(old.enter());
    } else {
      break;
    }
  }
  impl_->to_the_end = to.empty();
  impl_->set_done(to, true);
  return {};
}

Result<Root> Editor::finish() {
  if (!impl_->changed) return impl_->root;
  TRY_DO(copy_until(impl_->old, impl_->levels, nullptr, AtEnd::nothing_follows));
  return impl_->levels.finish();
}

}  // namespace holdfast::tree
