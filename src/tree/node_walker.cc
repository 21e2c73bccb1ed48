// SPDX-License-Identifier: Apache-2.0
#include "tree/node_walker.h"

#include <string>

#include "base/check.h"

namespace holdfast::tree {
namespace {

struct Expected {
  uint8_t height;
  uint64_t entry_count;
  const ByteView* low;       // Null: no bound.
  const ByteView* last_key;  // Null: unknown, for a root.
};

Error damaged(const ChunkId& id, std::string_view what) {
  return Error(ErrorCode::corrupt, "tree node " + to_hex(id) + ": " + std::string(what));
}

Status check_node(const ChunkId& id, ByteView node, format::TreeNodeDecoder& decoder, const Expected& expected) {
  TRY_DO(decoder.open(node).during("tree node " + to_hex(id)));
  if (decoder.height() != expected.height) return damaged(id, "wrong height");
  uint64_t entry_count = 0;
  bool first = true;
  format::NodeStep step;
  while ((step = decoder.next()) == format::NodeStep::entry) {
    if (first && expected.low != nullptr && compare(decoder.key(), *expected.low) <= 0)
      return damaged(id, "keys out of order");
    first = false;
    const uint64_t added = expected.height == 1 ? 1 : decoder.child().entry_count;
    if (added > expected.entry_count - entry_count) return damaged(id, "wrong entry count");
    entry_count += added;
  }
  if (step == format::NodeStep::corrupt) return damaged(id, "malformed");
  if (entry_count != expected.entry_count) return damaged(id, "wrong entry count");
  if (expected.last_key != nullptr && !equal(decoder.key(), *expected.last_key))
    return damaged(id, "wrong last key");
  return decoder.open(node);
}

}  // namespace

void NodeWalker::open(const Root& root) {
  root_ = root;
  if (root_.height == 0 && root_ != Root{}) root_.height = UINT8_MAX;  // No such tree; entering it will say so.
  root_child_ = {root.node, root.entry_count, false};
  restart();
}

void NodeWalker::restart() {
  depth_ = 0;
  state_ = root_.height == 0 ? State::end : State::root;
}

uint8_t NodeWalker::height() const {
  return state_ == State::root ? root_.height : static_cast<uint8_t>(top().decoder.height() - 1);
}

const format::TreeChild& NodeWalker::child() const {
  return state_ == State::root ? root_child_ : top().decoder.child();
}

Status NodeWalker::enter() {
  const uint8_t child_height = height();
  DCHECK(child_height > 0);
  if (child_height > height_max) return damaged(child().node, "too high");
  const format::TreeChild target = child();
  if (frames_.size() == depth_) frames_.emplace_back();
  Frame& frame = frames_[depth_];
  if (!frame.loaded || frame.id != target.node) {
    frame.loaded = false;
    frame.node = TRY(nodes_->get(target.node));
    frame.id = target.node;
  }
  Expected expected{child_height, target.entry_count, nullptr, nullptr};
  frame.has_low = false;
  ByteView low, last_key;
  if (depth_ > 0) {
    const Frame& parent = top();
    frame.has_low = parent.has_low;
    frame.low.assign(parent.low.begin(), parent.low.end());
    low = parent.low;
    last_key = parent.decoder.key();
    expected.last_key = &last_key;
    if (parent.has_low) expected.low = &low;
  }
  TRY_DO(check_node(frame.id, frame.node, frame.decoder, expected));
  frame.loaded = true;
  ++depth_;
  state_ = State::inside;
  const bool any = step(frame);
  CHECK(any);  // check_node() saw at least one entry.
  return {};
}

bool NodeWalker::step(Frame& frame) {
  return frame.decoder.next() == format::NodeStep::entry;
}

void NodeWalker::skip() {
  if (state_ == State::root) {
    state_ = State::end;
    return;
  }
  for (; depth_ > 0; --depth_) {
    Frame& frame = top();
    if (frame.decoder.height() > 1) {
      frame.low.assign(frame.decoder.key().begin(), frame.decoder.key().end());
      frame.has_low = true;
    }
    if (step(frame)) return;
  }
  state_ = State::end;
}

std::optional<NodeWalker::After> NodeWalker::after() const {
  std::optional<After> found;
  for (size_t depth = depth_; depth > 0; --depth) {
    format::TreeNodeDecoder ahead = frames_[depth - 1].decoder;
    if (ahead.next() != format::NodeStep::entry) continue;
    if (found) {
      found->last = false;
      break;
    }
    found = After{to_bytes(ahead.key()), ahead.next() != format::NodeStep::entry};
    if (!found->last) break;
  }
  return found;
}

Status NodeWalker::seek(ByteView key) {
  if (state_ == State::inside && compare(this->key(), key) > 0) restart();
  if (state_ == State::end) restart();
  // Up to the innermost node that reaches as far as the key, then down.
  while (depth_ > 1 && compare(frames_[depth_ - 2].decoder.key(), key) < 0) --depth_;
  while (state_ != State::end) {
    if (state_ == State::root) {
      TRY_DO(enter());
      continue;
    }
    if (compare(this->key(), key) < 0) {
      skip();
      continue;
    }
    if (height() == 0) break;
    TRY_DO(enter());
  }
  return {};
}

}  // namespace holdfast::tree
