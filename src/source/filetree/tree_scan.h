// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <vector>

#include "source/filetree/file_item.h"
#include "source/filetree/tree_walker.h"
#include "source/source.h"

namespace holdfast::source {

// One scan: takes the listings in key order, holds each against the previous scan's state and tells the sink what
// became of every name.
class TreeScan {
 public:
  TreeScan(const ScanContext& context, FileContext& files, ScanSink& sink)
      : context_(context), files_(files), sink_(sink) {}
  Status run(const RootSet& roots, DirectoryHandles& handles, const TreeWalker::Limits& limits);

 private:
  struct Frame {
    std::shared_ptr<DirectoryNode> node;  // Shared with the walker's threads until it is listed whole.
    size_t key_size = 0;                  // The directory's key is the beginning of key_.
    StateDecoder before, now;
    std::optional<ChildState> before_child, now_child;
    size_t next_subdirectory = 0;
    uint64_t position = 0;                // Of now_child.
    uint64_t unchanged_count = 0;         // Not yet told.
    uint64_t unchanged_size_bytes = 0;
  };

  Status enter(std::shared_ptr<DirectoryNode> node);
  Status begin_comparison(Frame& frame);
  Status put_state_changes(const DirectoryListing& listing, ByteView first_key);
  Result<bool> advance(Frame& frame);
  Status compare_children(Frame& frame, bool& descend);
  Status on_removed(const ChildState& before);
  Status on_present(Frame& frame, const ChildState* before);
  Status put_child(Frame& frame, bool existed);
  Status put_bare(const ChildState& child, bool existed, Error error);
  Status tell_unchanged(Frame& frame);
  Status remove_beneath();
  FilePlace place_of(const Frame& frame) const;
  void set_key(const Frame& frame, std::string_view name);

  const ScanContext& context_;
  FileContext& files_;
  ScanSink& sink_;
  TreeWalker* walker_ = nullptr;
  std::shared_ptr<DirectoryHandle> top_handle_;
  std::vector<Frame> frames_;
  Bytes key_;  // Of the child at hand.
};

}  // namespace holdfast::source
