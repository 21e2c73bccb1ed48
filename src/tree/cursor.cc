// SPDX-License-Identifier: Apache-2.0
#include "base/check.h"
#include "tree/node_walker.h"
#include "tree/tree.h"

namespace holdfast::tree {

struct Cursor::Impl {
  explicit Impl(NodeStore& nodes) : walker(nodes) {}
  NodeWalker walker;
  bool valid = false;
};

Cursor::Cursor(NodeStore& nodes, const Root& root) : impl_(std::make_unique<Impl>(nodes)) {
  impl_->walker.open(root);
}
Cursor::~Cursor() = default;
Cursor::Cursor(Cursor&&) noexcept = default;

Status Cursor::seek(ByteView key) {
  impl_->valid = false;
  TRY_DO(impl_->walker.seek(key));
  impl_->valid = !impl_->walker.at_end();
  return {};
}

bool Cursor::valid() const { return impl_->valid; }

EntryView Cursor::entry() const {
  DCHECK(impl_->valid);
  return {impl_->walker.key(), impl_->walker.value()};
}

Status Cursor::next() {
  NodeWalker& walker = impl_->walker;
  DCHECK(impl_->valid);
  impl_->valid = false;
  walker.skip();
  while (!walker.at_end() && walker.height() > 0) TRY_DO(walker.enter());
  impl_->valid = !walker.at_end();
  return {};
}

Result<std::optional<Bytes>> look_up(NodeStore& nodes, const Root& root, ByteView key) {
  NodeWalker walker(nodes);
  walker.open(root);
  TRY_DO(walker.seek(key));
  if (walker.at_end() || !equal(walker.key(), key)) return std::optional<Bytes>();
  return std::optional<Bytes>(to_bytes(walker.value()));
}

Status for_range(NodeStore& nodes, const Root& root, ByteView from, ByteView to,
                 const std::function<Status(const EntryView&)>& visit) {
  Cursor cursor(nodes, root);
  TRY_DO(cursor.seek(from));
  while (cursor.valid()) {
    const EntryView entry = cursor.entry();
    if (!to.empty() && compare(entry.key, to) >= 0) break;
    TRY_DO(visit(entry));
    TRY_DO(cursor.next());
  }
  return {};
}

Status for_each_node_and_entry(NodeStore& nodes, const Root& root,
                               const std::function<Result<bool>(const ChunkId&, uint8_t height)>& descend,
                               const std::function<Status(const EntryView&)>& visit) {
  NodeWalker walker(nodes);
  walker.open(root);
  while (!walker.at_end()) {
    if (walker.height() == 0) {
      TRY_DO(visit({walker.key(), walker.value()}));
    } else {
      const bool below = TRY(descend(walker.child().node, walker.height()));
      if (below && (walker.height() > 1 || visit)) {
        TRY_DO(walker.enter());
        continue;
      }
    }
    walker.skip();
  }
  return {};
}

Status for_each_node(NodeStore& nodes, const Root& root,
                     const std::function<Result<bool>(const ChunkId&, uint8_t height)>& descend) {
  return for_each_node_and_entry(nodes, root, descend, nullptr);
}

}  // namespace holdfast::tree
