// SPDX-License-Identifier: Apache-2.0
#include "source/filetree/directory_lister.h"

#include <sys/stat.h>

#include <algorithm>

#include "format/file_attributes.h"
#include "os/file.h"
#include "os/file_metadata.h"

namespace holdfast::source {
namespace {

// Time stamps come from a clock that ticks every few milliseconds: what changed within this time before it was looked
// at may change again and bear the same stamp.
constexpr int64_t racy_ns = 50'000'000;

constexpr std::string_view cache_tag_name = "CACHEDIR.TAG";
constexpr std::string_view cache_tag_signature = "Signature: 8a477f597d28d172789f06886806bc55";

bool is_genuine_cache_tag(int dir_fd) {
  const auto fd = os::open_for_backup_at(dir_fd, "CACHEDIR.TAG");
  if (!fd) return false;
  Bytes head(cache_tag_signature.size());
  const auto size = os::pread_full(fd->get(), head, 0);
  return size && as_text(ByteView(head).first(*size)) == cache_tag_signature;
}

bool at_or_after(const os::Timestamp& time, UnixTimeNs moment) {
  const int64_t seconds = moment / 1'000'000'000;
  return time >= os::Timestamp{seconds, static_cast<uint32_t>(moment % 1'000'000'000)};
}

uint8_t attribute_bits_of(const os::FileStatus& status) {
  unsigned bits = 0;
  if (status.immutable) bits |= format::file_flag_immutable;
  if (status.append_only) bits |= format::file_flag_append_only;
  if (status.no_dump) bits |= format::file_flag_no_dump;
  return static_cast<uint8_t>(bits);
}

format::FileType type_of(uint32_t mode) {
  switch (mode & S_IFMT) {
    case S_IFDIR: return format::FileType::directory;
    case S_IFLNK: return format::FileType::symlink;
    case S_IFBLK: return format::FileType::block_device;
    case S_IFCHR: return format::FileType::char_device;
    case S_IFIFO: return format::FileType::fifo;
    case S_IFSOCK: return format::FileType::socket;
    default: return format::FileType::regular;
  }
}

uint64_t scatter(uint64_t x) {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

// Of 64 bits: the same on every machine and in every version.
uint64_t hash_of(ByteView bytes) {
  uint64_t hash = 0xcbf29ce484222325;
  for (const std::byte b : bytes) hash = (hash ^ static_cast<uint64_t>(b)) * 0x100000001b3;
  return scatter(hash);
}

Bytes child_key(ByteView directory_key, std::string_view name) {
  Bytes key = to_bytes(directory_key);
  if (!key.empty()) key.push_back(std::byte{0});
  const ByteView bytes = as_bytes(name);
  key.insert(key.end(), bytes.begin(), bytes.end());
  return key;
}

std::string path_of_child(const DirectoryPlace& place, std::string_view name) {
  const std::string above = place.handle->path();
  return (above == "/" ? "" : above) + "/" + std::string(name);
}

Skip skip_of(const DirectoryPlace& place, std::string_view name, Error error) {
  return {child_key(place.key, name), path_of_child(place, name), std::move(error)};
}

// What an earlier point held beneath the folder is not taken over: nobody knows whether it is still there, and a point
// that says so would lie. It stays in that earlier point.
Error unlisted(const Error& error) {
  return Error(error.code(), error.message() + "; what lies in this folder is not in this point");
}

}  // namespace

uint64_t mix(uint64_t a, uint64_t b) { return scatter(a + scatter(b + 0x9e3779b97f4a7c15)); }

struct DirectoryLister::Child {
  std::string_view name;  // Ended by a zero byte.
  const RootNode* root = nullptr;  // It was asked for, or leads to what was.
};

bool DirectoryLister::contents_excluded(int fd, std::string& tag) const {
  if (context_.options.exclude_caches && names_.contains(cache_tag_name) && is_genuine_cache_tag(fd)) {
    tag = cache_tag_name;
    return true;
  }
  for (const std::string& name : context_.options.exclude_if_present) {
    if (!names_.contains(name)) continue;
    tag = name;
    return true;
  }
  return false;
}

bool DirectoryLister::left_out(std::string_view name, const os::FileStatus& status) const {
  const bool is_directory = S_ISDIR(status.mode);
  if (!context_.excludes.empty() && excludes_.excludes(name, is_directory)) return true;
  if (is_directory) return false;
  if (S_ISREG(status.mode) && status.size_bytes > context_.options.size_bytes_max) return true;
  return !context_.options.types_left_out.empty() && context_.options.types_left_out.contains(type_of(status.mode));
}

bool DirectoryLister::is_own_folder(const DirectoryPlace& place, std::string_view name,
                                    const os::FileStatus& status) const {
  for (const OwnFolder& folder : context_.options.own_folders) {
    if (status.inode != folder.inode || status.device != folder.device) continue;
    if (context_.options.own_folder_met) context_.options.own_folder_met(path_of_child(place, name), folder.what);
    return true;
  }
  return false;
}

void DirectoryLister::add_child(std::string_view name, const os::FileStatus& status, DirectoryListing& out) {
  const ChangeDetection detection = context_.options.change_detection;
  const bool is_directory = S_ISDIR(status.mode);
  ChildState state;
  state.name = name;
  state.mode = status.mode;
  state.user_id = status.user_id;
  state.group_id = status.group_id;
  state.link_count = is_directory ? 1 : status.link_count;
  if (S_ISREG(status.mode)) {
    state.size_bytes = status.size_bytes;
    state.sparse = status.allocated_bytes < status.size_bytes;
    out.size_bytes += status.size_bytes;
  } else if (S_ISLNK(status.mode)) {
    state.size_bytes = status.size_bytes;
  } else if (S_ISBLK(status.mode) || S_ISCHR(status.mode)) {
    state.size_bytes = uint64_t{status.device_major} << 32 | status.device_minor;
  }
  state.modified = status.modified;
  const bool ignore_ctime = detection == ChangeDetection::ignore_ctime || detection == ChangeDetection::mtime_size_only;
  state.changed = ignore_ctime ? status.modified : status.changed;
  // Link groups are named by inodes, so there they always count.
  const bool ignore_inode = detection == ChangeDetection::ignore_inode || detection == ChangeDetection::mtime_size_only;
  state.inode = ignore_inode && state.link_count <= 1 ? 0 : status.inode;
  state.attribute_bits = attribute_bits_of(status);
  // Where ctime counts it is enough: the kernel alone sets it. A time of modification in the future, which anyone can
  // set, would otherwise have the file read for ever.
  state.racy = at_or_after(state.changed, racy_since_);
  if (state.racy) ++racy_count_;
  if (status.device != out.device && !is_directory) {
    state.foreign = true;
    if (state.link_count > 1) out.foreign_links.emplace_back(out.entry_count, status.device);
  }
  encoder_.add(state);
  ++out.entry_count;
}

// A child of which nothing could be learned.
void DirectoryLister::miss_child(const DirectoryPlace& place, const Child& child, Error error,
                                 DirectoryListing& out) const {
  // What vanished while the directory was read was never there; a path that was asked for is missed.
  if (error.code() == ErrorCode::not_found && (child.root == nullptr || place.whole)) return;
  const bool excluded = child.root == nullptr && !context_.excludes.empty() && excludes_.excludes(child.name, true) &&
                        excludes_.excludes(child.name, false);
  if (!excluded) out.skips.push_back(skip_of(place, child.name, std::move(error)));
}

// Paths asked for beneath what is no directory, of whose own entry nothing is missing.
void DirectoryLister::miss_roots_beneath(const DirectoryPlace& place, const Child& child, DirectoryListing& out) const {
  for (const auto& [name, root] : child.root->children) {
    const std::string path = std::string(child.name) + "/" + name;
    Bytes key = child_key(child_key(place.key, child.name), name);
    out.skips.push_back({std::move(key), path_of_child(place, path),
                         Error(ErrorCode::not_found, "asked for, but what should hold it is no directory")});
  }
}

// Paths asked for that a directory, all of which is walked, does not have.
void DirectoryLister::miss_absent_roots(const DirectoryPlace& place, DirectoryListing& out) const {
  if (place.roots == nullptr) return;
  for (const auto& [name, root] : place.roots->children) {
    if (names_.contains(name)) continue;
    out.skips.push_back(skip_of(place, name, Error(ErrorCode::not_found, "asked for, but does not exist")));
  }
}

void DirectoryLister::list_child(const DirectoryPlace& place, int fd, const Child& child, DirectoryListing& out) {
  if (place.key.size() + child.name.size() > path_key_size_bytes_max) {
    return miss_child(place, child, Error(ErrorCode::unsupported, "path is too long"), out);
  }
  const bool on_the_way = child.root != nullptr && !child.root->is_root;
  const bool follow = on_the_way && !place.whole;
  const auto status = os::status_at(fd, child.name.data(), follow ? os::FollowLinks::yes : os::FollowLinks::no);
  if (!status) return miss_child(place, child, status.error(), out);
  const bool is_directory = S_ISDIR(status->mode);
  if (follow && !is_directory) {
    return miss_child(place, child, Error(ErrorCode::not_found, "not a directory"), out);
  }
  if (child.root != nullptr && !is_directory) miss_roots_beneath(place, child, out);
  const bool asked_for = child.root != nullptr && child.root->is_root;
  const bool excluded = place.whole && !asked_for && left_out(child.name, *status);
  if (excluded && !on_the_way) return;
  if (is_directory && child.root == nullptr && is_own_folder(place, child.name, *status)) return;
  add_child(child.name, *status, out);
  if (!is_directory) return;
  const uint64_t boundary = out.boundary_is_own ? out.device : place.boundary_device;
  const bool beyond = context_.options.one_file_system && place.whole && !asked_for && status->device != boundary;
  Subdirectory subdirectory;
  subdirectory.name_offset = static_cast<uint32_t>(out.subdirectory_names.size());
  subdirectory.name_size = static_cast<uint32_t>(child.name.size());
  subdirectory.beyond_boundary = beyond && !on_the_way;
  subdirectory.leads_only = on_the_way && (!place.whole || excluded || beyond);
  out.subdirectories.push_back(subdirectory);
  out.subdirectory_names += child.name;
}

Status DirectoryLister::list_children(const DirectoryPlace& place, int fd, DirectoryListing& out) {
  if (!place.whole) {
    for (const auto& [name, root] : place.roots->children) {
      if (context_.request.stop.stop_requested()) return Error(ErrorCode::cancelled, "scan was stopped");
      list_child(place, fd, {name, root.get()}, out);
    }
    return {};
  }
  const Status read = names_.read(fd);
  if (!read) out.skips.push_back({place.key, place.handle->path(), unlisted(read.error())});
  std::string tag;
  const bool only_tag = contents_excluded(fd, tag);
  for (size_t index = 0; index < names_.count(); ++index) {
    if (index % 1024 == 1023 && context_.request.stop.stop_requested()) {
      return Error(ErrorCode::cancelled, "scan was stopped");
    }
    Child child{names_.name(index), nullptr};
    if (place.roots != nullptr) {
      const auto root = place.roots->children.find(child.name);
      if (root != place.roots->children.end()) child.root = root->second.get();
    }
    if (only_tag && child.root == nullptr && child.name != tag) continue;
    list_child(place, fd, child, out);
  }
  if (read) miss_absent_roots(place, out);
  return {};
}

bool DirectoryLister::has_retry_key(ByteView directory_key) const {
  if (context_.request.retry == nullptr || context_.request.retry->empty()) return false;
  Bytes prefix = to_bytes(directory_key);
  if (!prefix.empty()) prefix.push_back(std::byte{0});
  auto next = context_.request.retry->lower_bound(prefix);
  while (next != context_.request.retry->end() && next->size() >= prefix.size() &&
         equal(ByteView(*next).first(prefix.size()), prefix)) {
    const size_t end = as_text(*next).find('\0', prefix.size());
    if (end == std::string_view::npos) return true;
    // Deeper than a child: on to the next child's.
    Bytes beyond(next->begin(), next->begin() + static_cast<ptrdiff_t>(end));
    beyond.push_back(std::byte{1});
    next = context_.request.retry->lower_bound(beyond);
  }
  return false;
}

Status DirectoryLister::load_previous(ByteView first_key, DirectoryListing& out) const {
  PreviousState* previous = context_.request.previous;
  if (previous == nullptr) return {};
  std::optional<Bytes> first = TRY(previous->get(first_key));
  if (!first) return {};
  const bool more = !is_last_part(*first);
  out.previous.push_back({{}, std::move(*first)});
  if (!more) return {};
  Bytes from = to_bytes(first_key), to = from;
  from.push_back(std::byte{1});
  to.back() = std::byte{1};
  return previous->for_range(from, to, [&](ByteView key, ByteView value) -> Status {
    out.previous.push_back({std::string(as_text(key.subspan(first_key.size()))), to_bytes(value)});
    return {};
  });
}

Status DirectoryLister::compare_with_previous(ByteView first_key, bool retry, DirectoryListing& out) {
  TRY_DO(load_previous(first_key, out));
  bool same = out.previous.size() == encoder_.parts().size();
  for (size_t index = 0; same && index < out.previous.size(); ++index) {
    const StatePart& part = encoder_.parts()[index];
    same = out.previous[index].first_name == part.first_name && equal(out.previous[index].value, encoder_.part(part));
  }
  out.unchanged = same && racy_count_ == 0 && !context_.options.force && !retry;
  if (out.unchanged) {
    out.previous.clear();
  } else {
    out.state = to_bytes(encoder_.bytes());
    out.parts = encoder_.parts();
  }
  return {};
}

void DirectoryLister::begin() {
  encoder_.begin();
  racy_count_ = 0;
  racy_since_ = context_.clock.now() - racy_ns;
}

Result<DirectoryListing> DirectoryLister::list_top() {
  DirectoryListing out;
  begin();
  const os::FileStatus status = TRY(os::status_at(os::at_cwd, "/", os::FollowLinks::no));
  out.device = status.device;
  add_child({}, status, out);
  encoder_.end();
  TRY_DO(compare_with_previous(ByteView(&root_state_key, 1), has_retry_key({}), out));
  return out;
}

Result<DirectoryListing> DirectoryLister::list(const DirectoryPlace& place) {
  DirectoryListing out;
  begin();
  if (!place.beyond_boundary) {
    const auto pin = place.handle->pin();
    if (pin) {
      out.device = place.handle->device();
      out.boundary_is_own = place.roots != nullptr && place.roots->is_root;
      const bool entered = out.device != place.parent_device || place.key.empty();
      out.link_salt = entered ? hash_of(place.key) : place.link_salt;
      if (!context_.excludes.empty()) excludes_ = context_.excludes.in_directory(place.key);
      TRY_DO(list_children(place, pin->fd(), out));
    } else if (pin.error().code() != ErrorCode::not_found) {
      // A directory that has gone since its parent was read is kept as it was seen there, without contents.
      out.skips.push_back({place.key, place.handle->path(), unlisted(pin.error())});
    }
  }
  encoder_.end();
  TRY_DO(compare_with_previous(state_key(place.key), has_retry_key(place.key), out));
  return out;
}

}  // namespace holdfast::source
