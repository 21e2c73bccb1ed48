// SPDX-License-Identifier: Apache-2.0
#include "source/filetree/tree_scan.h"

#include <algorithm>

#include "format/file_attributes.h"

namespace holdfast::source {
namespace {

Bytes appended(ByteView key, std::initializer_list<uint8_t> bytes) {
  Bytes longer;
  longer.reserve(key.size() + bytes.size());
  longer.insert(longer.end(), key.begin(), key.end());
  for (const uint8_t b : bytes) longer.push_back(static_cast<std::byte>(b));
  return longer;
}

Bytes part_key(ByteView first_key, std::string_view name) {
  Bytes key = to_bytes(first_key);
  const ByteView bytes = as_bytes(name);
  key.insert(key.end(), bytes.begin(), bytes.end());
  return key;
}

std::string path_of(ByteView key) {
  auto path = format::key_to_path(key);
  return path ? *path : std::string(as_text(key));
}

}  // namespace

void TreeScan::set_key(const Frame& frame, std::string_view name) {
  key_.resize(frame.key_size);
  if (frame.key_size > 0) key_.push_back(std::byte{0});
  const ByteView bytes = as_bytes(name);
  key_.insert(key_.end(), bytes.begin(), bytes.end());
}

Status TreeScan::put_state_changes(const DirectoryListing& listing, ByteView first_key) {
  auto before = listing.previous.begin();
  auto now = listing.parts.begin();
  while (before != listing.previous.end() || now != listing.parts.end()) {
    const bool gone = now == listing.parts.end() ||
                      (before != listing.previous.end() && before->first_name < now->first_name);
    if (gone) {
      const Bytes key = part_key(first_key, before->first_name);
      TRY_DO(sink_.remove_state_range(key, appended(key, {0})));
      ++before;
      continue;
    }
    const ByteView value = listing.part(*now);
    const bool existed = before != listing.previous.end() && before->first_name == now->first_name;
    if (!existed || !equal(before->value, value)) TRY_DO(sink_.put_state(part_key(first_key, now->first_name), value));
    if (existed) ++before;
    ++now;
  }
  return {};
}

Status TreeScan::begin_comparison(Frame& frame) {
  std::vector<ByteView> before, now;
  const DirectoryListing& listing = frame.node->listing;
  for (const auto& part : listing.previous) before.emplace_back(part.value);
  for (const StatePart& part : listing.parts) now.push_back(listing.part(part));
  frame.before = StateDecoder(std::move(before));
  frame.now = StateDecoder(std::move(now));
  frame.before_child = TRY(frame.before.next());
  frame.now_child = TRY(frame.now.next());
  return {};
}

// key_ is the directory's key.
Status TreeScan::enter(std::shared_ptr<DirectoryNode> node) {
  if (context_.request.stop.stop_requested()) return Error(ErrorCode::cancelled, "scan was stopped");
  walker_->taken(*node);
  Frame frame;
  frame.node = std::move(node);
  frame.key_size = key_.size();
  DirectoryListing& listing = frame.node->listing;
  for (Skip& skip : listing.skips) TRY_DO(sink_.skip(std::move(skip)));
  if (listing.unchanged) {
    TRY_DO(sink_.unchanged(listing.entry_count, listing.size_bytes));
  } else {
    TRY_DO(put_state_changes(listing, state_key(key_)));
    TRY_DO(begin_comparison(frame));
  }
  frames_.push_back(std::move(frame));
  return {};
}

Status TreeScan::tell_unchanged(Frame& frame) {
  if (frame.unchanged_count == 0) return {};
  TRY_DO(sink_.unchanged(frame.unchanged_count, frame.unchanged_size_bytes));
  frame.unchanged_count = frame.unchanged_size_bytes = 0;
  return {};
}

// The subtree beneath key_, which is no directory any more, and its state.
Status TreeScan::remove_beneath() {
  TRY_DO(sink_.remove_range(appended(key_, {0}), appended(key_, {1})));
  Bytes from = {std::byte{1}};
  from.insert(from.end(), key_.begin(), key_.end());
  return sink_.remove_state_range(appended(from, {0}), appended(from, {1}));
}

Status TreeScan::on_removed(const ChildState& before) {
  TRY_DO(sink_.remove(key_));
  return before.is_directory() ? remove_beneath() : Status();
}

FilePlace TreeScan::place_of(const Frame& frame) const {
  const DirectoryListing& listing = frame.node->listing;
  FilePlace place{frame.node->place.handle, listing.device, listing.link_salt, !frame.node->place.whole};
  const auto foreign = std::lower_bound(listing.foreign_links.begin(), listing.foreign_links.end(),
                                        std::pair<uint64_t, uint64_t>(frame.position, 0));
  if (frame.now_child->foreign && foreign != listing.foreign_links.end() && foreign->first == frame.position) {
    place.device = foreign->second;
    place.link_salt = mix(place.link_salt, foreign->second);
  }
  return place;
}

// Of a child whose extended attributes or target could not be read. A directory's entry must stand for what lies
// beneath it; anything else is better absent than half there.
Status TreeScan::put_bare(const ChildState& child, bool existed, Error error) {
  const bool vanished = error.code() == ErrorCode::not_found;
  if (!vanished) TRY_DO(sink_.skip({key_, path_of(key_), std::move(error)}));
  if (!child.is_directory()) return existed ? sink_.remove(key_) : Status();
  Item item;
  item.attributes = bare_attributes(files_, child);
  item.key = key_;
  item.existed = existed;
  return sink_.put(std::move(item));
}

Status TreeScan::put_child(Frame& frame, bool existed) {
  const ChildState& child = *frame.now_child;
  FilePlace place = place_of(frame);
  place.follow = place.follow && child.is_directory();
  Result<Item> item = make_file_item(files_, place, child);
  if (!item) return put_bare(child, existed, std::move(item.error()));
  item->key = key_;
  item->existed = existed;
  return sink_.put(std::move(*item));
}

Status TreeScan::on_present(Frame& frame, const ChildState* before) {
  const ChildState& now = *frame.now_child;
  const ScanRequest& request = context_.request;
  const bool as_before = before != nullptr && unchanged(*before, now) && !context_.options.force &&
                         (request.retry == nullptr || !request.retry->contains(key_));
  if (as_before) {
    ++frame.unchanged_count;
    if (now.is_regular()) frame.unchanged_size_bytes += now.size_bytes;
    return {};
  }
  TRY_DO(put_child(frame, before != nullptr));
  if (before != nullptr && before->is_directory() && !now.is_directory()) return remove_beneath();
  return {};
}

// Takes the next name of either scan. `descend`: it is a directory, whose key is key_.
Status TreeScan::compare_children(Frame& frame, bool& descend) {
  const bool has_before = frame.before_child.has_value();
  const bool has_now = frame.now_child.has_value();
  const int order = !has_before ? 1 : !has_now ? -1 : frame.before_child->name.compare(frame.now_child->name);
  set_key(frame, order < 0 ? frame.before_child->name : frame.now_child->name);
  if (order < 0) {
    TRY_DO(on_removed(*frame.before_child));
  } else {
    TRY_DO(on_present(frame, order == 0 ? &*frame.before_child : nullptr));
    descend = frame.now_child->is_directory();
    frame.now_child = TRY(frame.now.next());
    ++frame.position;
  }
  if (order <= 0) frame.before_child = TRY(frame.before.next());
  return {};
}

// Goes on with a directory up to its next subdirectory, which it enters. False when the directory is done.
Result<bool> TreeScan::advance(Frame& frame) {
  if (frame.node->listing.unchanged) {
    if (frame.next_subdirectory == frame.node->listing.subdirectories.size()) return false;
    set_key(frame, frame.node->listing.subdirectory_name(frame.next_subdirectory));
  } else {
    bool descend = false;
    while (!descend && (frame.before_child || frame.now_child)) {
      if (frame.position % 1024 == 1023 && context_.request.stop.stop_requested()) {
        return Error(ErrorCode::cancelled, "scan was stopped");
      }
      TRY_DO(compare_children(frame, descend));
    }
    TRY_DO(tell_unchanged(frame));
    if (!descend) return false;
  }
  ++frame.next_subdirectory;
  TRY_DO(enter(TRY(walker_->next_child(frame.node))));
  return true;
}

Status TreeScan::run(const RootSet& roots, DirectoryHandles& handles, const TreeWalker::Limits& limits) {
  top_handle_ = handles.top();
  TreeWalker walker(context_, limits);
  walker_ = &walker;
  // "/" has no parent in whose state it could be remembered.
  DirectoryLister lister(context_);
  Frame top;
  top.node = std::make_shared<DirectoryNode>();
  top.node->place.handle = top_handle_;
  top.node->listing = TRY(lister.list_top());
  key_.clear();
  if (top.node->listing.unchanged) {
    TRY_DO(sink_.unchanged(1, 0));
  } else {
    TRY_DO(put_state_changes(top.node->listing, ByteView(&root_state_key, 1)));
    TRY_DO(begin_comparison(top));
    bool descend = false;
    TRY_DO(compare_children(top, descend));
    TRY_DO(tell_unchanged(top));
  }
  DirectoryPlace place;
  place.handle = top_handle_;
  place.roots = &roots.top();
  place.whole = roots.top().is_root;
  TRY_DO(enter(TRY(walker.start(std::move(place)))));
  while (!frames_.empty()) {
    if (!TRY(advance(frames_.back()))) frames_.pop_back();
  }
  return {};
}

}  // namespace holdfast::source
