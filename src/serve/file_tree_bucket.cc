// SPDX-License-Identifier: Apache-2.0
#include "serve/file_tree_bucket.h"

#include <fmt/format.h>

#include <algorithm>

#include "serve/read_content.h"

// S3 orders whole paths by their bytes, a tree orders them component by component: of the files "a!" and "a/b", S3 has
// "a!" first, since "!" sorts before "/", and the tree has "a" with all that lies in it first. So a folder waits until
// the names that begin with its own and go on with a byte below "/" have passed. Those that wait in one folder are
// prefixes of each other, hence at most as many as a name has bytes.
namespace holdfast::serve {

namespace {

constexpr int64_t ns_per_second = 1'000'000'000;

bool starts_with(ByteView key, ByteView prefix) {
  return key.size() >= prefix.size() && equal(key.first(prefix.size()), prefix);
}

Bytes joined(ByteView prefix, std::string_view name, std::string_view end = {}) {
  Bytes key = to_bytes(prefix);
  append(key, as_bytes(name));
  append(key, as_bytes(end));
  return key;
}

UnixTimeNs clamped(const format::FileTime& time) {
  const int64_t seconds = std::clamp<int64_t>(time.seconds, 0, INT64_MAX / ns_per_second - 1);
  return seconds * ns_per_second + (seconds == time.seconds ? time.nanoseconds : 0);
}

ObjectInfo object_of(std::string key, const job::PathEntry& entry) {
  ObjectInfo object;
  object.key = std::move(key);
  object.size_bytes = format::content_size_bytes(entry.content);
  object.modified = clamped(entry.attributes.modified);
  object.etag = content_etag(entry.content);
  object.content = entry.content;
  // As rclone and s3fs write and read them.
  object.headers = {
      {"x-amz-meta-gid", std::to_string(entry.attributes.group_id)},
      {"x-amz-meta-mode", std::to_string(entry.attributes.mode | 0100000)},
      {"x-amz-meta-mtime", fmt::format("{}.{:09}", entry.attributes.modified.seconds,
                                       entry.attributes.modified.nanoseconds)},
      {"x-amz-meta-uid", std::to_string(entry.attributes.user_id)}};
  return object;
}

class FileTreeCursor : public ObjectCursor {
 public:
  FileTreeCursor(mount::DomainReaders& readers, const vault::PointInfo& point)
      : reader_(readers.lend()), cursor_(*reader_, job::to_root(point.point.entries)) {}

  Status seek(std::string_view key) override {
    frames_.clear();
    Bytes prefix;
    std::string path;
    while (true) {
      Frame frame{.prefix = prefix, .path = path, .next = {}, .delayed = {}, .bound = std::string(key)};
      const size_t slash = key.find('/');
      const std::string_view component = key.substr(0, slash);
      const std::string_view name = component.substr(0, component.find('\0'));
      // Folders that sort before this name in the tree and after it here.
      for (size_t size = 1; size < name.size(); ++size) {
        if (name[size] < '/' && TRY(is_folder(joined(prefix, name.substr(0, size))))) {
          frame.delayed.emplace_back(name.substr(0, size));
        }
      }
      const bool goes_down = slash != std::string_view::npos && !name.empty() && name.size() == component.size();
      frame.next = joined(prefix, name, goes_down ? "/" : "");
      const bool is_there = goes_down && TRY(is_folder(joined(prefix, name)));
      frames_.push_back(std::move(frame));
      if (!is_there) break;
      append(prefix, as_bytes(name));
      prefix.push_back(std::byte{0});
      path += std::string(name) + "/";
      key.remove_prefix(slash + 1);
    }
    return next();
  }

  // There is one version of each.
  Status seek_behind(std::string_view key, std::string_view) override { return seek(std::string(key) + '\0'); }

  bool valid() const override { return is_valid_; }
  const ObjectInfo& object() const override { return object_; }

  Status next() override {
    is_valid_ = false;
    while (!frames_.empty()) {
      Frame& frame = frames_.back();
      const Child child = TRY(peek(frame));
      if (!frame.delayed.empty() && (child.kind == Kind::none || !goes_first(child.name, frame.delayed.back()))) {
        enter(frame);
        continue;
      }
      if (child.kind == Kind::none) {
        frames_.pop_back();
        continue;
      }
      frame.next = joined(frame.prefix, child.name, "\1");
      if (child.kind == Kind::folder && child.name + "/" > frame.bound) frame.delayed.push_back(child.name);
      if (child.kind != Kind::file || child.name < frame.bound) continue;
      const Bytes key = joined(frame.prefix, child.name);
      const job::PathEntry entry = TRY(job::decode_path_entry(key, cursor_.entry().value));
      object_ = object_of(frame.path + child.name, entry);
      is_valid_ = true;
      return {};
    }
    return {};
  }

 private:
  // A folder under way.
  struct Frame {
    Bytes prefix;                      // Of the keys of what lies in it.
    std::string path;                  // The same as S3 has it.
    Bytes next;                        // Where its next child is looked for.
    std::vector<std::string> delayed;  // Folders whose turn is still to come, the first one last.
    std::string bound;                 // What sorts below it is not wanted.
  };
  enum class Kind : uint8_t { none, file, folder, other };
  struct Child {
    Kind kind = Kind::none;
    std::string name;
  };

  // Whether a child comes before the delayed folder, which the tree has before it.
  static bool goes_first(const std::string& child, const std::string& folder) {
    return child.starts_with(folder) && child.size() > folder.size() && child[folder.size()] < '/';
  }

  // Leaves the cursor at the child's entry, if it has one.
  Result<Child> peek(const Frame& frame) {
    TRY_DO(cursor_.seek(frame.next));
    if (cursor_.valid() && cursor_.entry().key.empty()) TRY_DO(cursor_.next());  // The root's own entry.
    if (!cursor_.valid() || !starts_with(cursor_.entry().key, frame.prefix)) return Child();
    const ByteView key = cursor_.entry().key;
    const ByteView rest = key.subspan(frame.prefix.size());
    const auto end = std::find(rest.begin(), rest.end(), std::byte{0});
    const auto name_size = static_cast<size_t>(end - rest.begin());
    Child child{.kind = Kind::folder, .name = std::string(as_text(rest.first(name_size)))};
    if (end == rest.end()) child.kind = TRY(kind_of(key, cursor_.entry().value));
    return child;
  }
  static Result<Kind> kind_of(ByteView key, ByteView value) {
    const job::PathEntry entry = TRY(job::decode_path_entry(key, value));
    if (entry.attributes.type == format::FileType::directory) return Kind::folder;
    return entry.attributes.type == format::FileType::regular ? Kind::file : Kind::other;
  }
  // A folder may have no entry of its own.
  Result<bool> is_folder(const Bytes& key) {
    TRY_DO(cursor_.seek(key));
    if (!cursor_.valid()) return false;
    if (equal(cursor_.entry().key, key)) return TRY(kind_of(key, cursor_.entry().value)) == Kind::folder;
    const Bytes beneath = joined(key, std::string_view("\0", 1));
    TRY_DO(cursor_.seek(beneath));
    return cursor_.valid() && starts_with(cursor_.entry().key, beneath);
  }
  void enter(Frame& frame) {
    const std::string name = std::move(frame.delayed.back());
    frame.delayed.pop_back();
    const Bytes prefix = joined(frame.prefix, name, std::string_view("\0", 1));
    frames_.push_back({.prefix = prefix, .path = frame.path + name + "/", .next = prefix, .delayed = {}, .bound = {}});
  }

  mount::DomainReaders::Loan reader_;
  tree::Cursor cursor_;
  std::vector<Frame> frames_;
  ObjectInfo object_;
  bool is_valid_ = false;
};

class FileTreeBucket : public BucketView {
 public:
  FileTreeBucket(std::string name, mount::DomainReaders& readers, const vault::PointInfo& point)
      : name_(std::move(name)), readers_(readers), view_(readers, point) {}
  const std::string& name() const override { return name_; }
  UnixTimeNs created() const override { return view_.point().point.begun; }
  const std::string& versioning() const override { return versioning_; }
  std::unique_ptr<ObjectCursor> walk(Versions) override {
    return std::make_unique<FileTreeCursor>(readers_, view_.point());
  }
  Result<std::optional<ObjectInfo>> find(std::string_view key, std::optional<std::string_view> version_id) override {
    const std::optional<ObjectInfo> nothing;
    if (version_id && *version_id != null_version) return nothing;
    if (key.find('\0') != std::string_view::npos) return nothing;
    const auto tree_key = format::path_to_key("/" + std::string(key));
    if (!tree_key || tree_key->empty()) return nothing;
    const auto entry = TRY(view_.look_up(*tree_key));
    if (!entry || entry->attributes.type != format::FileType::regular) return nothing;
    return std::optional(object_of(std::string(key), *entry));
  }
  Status read(const ObjectInfo& object, uint64_t begin_bytes, uint64_t end_bytes,
              const std::function<Status(ByteView)>& sink) override {
    return read_content(view_, object.content, begin_bytes, end_bytes, sink);
  }

 private:
  const std::string name_;
  mount::DomainReaders& readers_;
  mount::PointView view_;
  const std::string versioning_;
};

}  // namespace

std::unique_ptr<BucketView> make_file_tree_bucket(std::string name, mount::DomainReaders& readers,
                                                  const vault::PointInfo& point) {
  return std::make_unique<FileTreeBucket>(std::move(name), readers, point);
}

}  // namespace holdfast::serve
