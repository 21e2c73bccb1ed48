// SPDX-License-Identifier: Apache-2.0
#include "tree/extent_walker.h"

#include <string>

#include "base/check.h"

namespace holdfast::tree {
namespace {

using Step = format::ExtentNodeDecoder::Step;

Error damaged(const ChunkId& id, std::string_view what) {
  return Error(ErrorCode::corrupt, "extent node " + to_hex(id) + ": " + std::string(what));
}

// Leaves the decoder at the first entry.
Status check_node(ByteView node, format::ExtentNodeDecoder& decoder, const format::ExtentChild& expected,
                  uint8_t height) {
  TRY_DO(decoder.open(node).during("extent node " + to_hex(expected.node)));
  if (decoder.height() != height) return damaged(expected.node, "wrong height");
  uint64_t size_bytes = 0;
  Step step;
  while ((step = decoder.next()) == Step::entry) size_bytes += decoder.entry_size_bytes();
  if (step == Step::corrupt) return damaged(expected.node, "malformed");
  if (size_bytes != expected.size_bytes) return damaged(expected.node, "wrong length");
  TRY_DO(decoder.open(node));
  const bool any = decoder.next() == Step::entry;
  CHECK(any);  // The loop above saw as much.
  return {};
}

}  // namespace

void ExtentWalker::open(const format::ContentTree& tree) {
  tree_ = tree;
  if (tree_.height == 0 && tree_ != format::ContentTree{}) tree_.height = UINT8_MAX;  // Entering it will say so.
  restart();
}

void ExtentWalker::restart() {
  depth_ = 0;
  state_ = tree_.height == 0 ? State::end : State::root;
}

uint8_t ExtentWalker::height() const {
  return state_ == State::root ? tree_.height : static_cast<uint8_t>(top().decoder.height() - 1);
}

uint64_t ExtentWalker::offset_bytes() const { return state_ == State::root ? 0 : top().offset_bytes; }

uint64_t ExtentWalker::end_bytes() const {
  return state_ == State::root ? tree_.size_bytes : top().offset_bytes + top().decoder.entry_size_bytes();
}

format::ExtentChild ExtentWalker::child() const {
  return state_ == State::root ? format::ExtentChild{tree_.root, tree_.size_bytes} : top().decoder.child();
}

Status ExtentWalker::enter() {
  const uint8_t child_height = height();
  DCHECK(child_height > 0);
  const format::ExtentChild target = child();
  const uint64_t begins_at = offset_bytes();
  if (child_height > format::extent_tree_height_max) return damaged(target.node, "too high");
  if (frames_.size() == depth_) frames_.emplace_back();
  Frame& frame = frames_[depth_];
  if (!frame.loaded || frame.id != target.node) {
    frame.loaded = false;
    frame.node = TRY(nodes_->get(target.node));
    frame.id = target.node;
  }
  TRY_DO(check_node(frame.node, frame.decoder, target, child_height));
  frame.loaded = true;
  frame.offset_bytes = begins_at;
  ++depth_;
  state_ = State::inside;
  return {};
}

void ExtentWalker::skip() {
  if (state_ == State::root) depth_ = 0;
  for (; depth_ > 0; --depth_) {
    Frame& frame = top();
    frame.offset_bytes += frame.decoder.entry_size_bytes();
    if (frame.decoder.next() == Step::entry) return;
  }
  state_ = State::end;
}

Status ExtentWalker::seek(uint64_t offset) {
  if (state_ == State::end || (state_ == State::inside && offset < offset_bytes())) restart();
  // Up to the innermost node that reaches as far as the offset, then down.
  while (depth_ > 1) {
    const Frame& parent = frames_[depth_ - 2];
    if (offset < parent.offset_bytes + parent.decoder.entry_size_bytes()) break;
    --depth_;
  }
  while (state_ != State::end) {
    if (offset >= end_bytes()) {
      skip();
    } else if (height() == 0) {
      break;
    } else {
      TRY_DO(enter());
    }
  }
  return {};
}

}  // namespace holdfast::tree
