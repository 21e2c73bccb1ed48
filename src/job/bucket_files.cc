// SPDX-License-Identifier: Apache-2.0
#include "job/bucket_files.h"

#include <algorithm>

namespace holdfast::job {

namespace {

using format::BucketItemType;

constexpr int64_t second_ns = 1'000'000'000;
constexpr uint32_t file_mode = 0644, folder_mode = 0755;
constexpr size_t name_size_bytes_max = 255;

format::FileTime time_of(UnixTimeNs time) {
  int64_t seconds = time / second_ns;
  if (time % second_ns < 0) --seconds;
  return {.seconds = seconds, .nanoseconds = static_cast<uint32_t>(time - seconds * second_ns)};
}

// "a/b" of the key "a\0b"; and the other way.
std::string object_path(ByteView key) {
  std::string path(as_text(key));
  std::replace(path.begin(), path.end(), '\0', '/');
  return path;
}
Bytes file_key(std::string_view path) {
  Bytes key = to_bytes(path);
  std::replace(key.begin(), key.end(), std::byte{'/'}, std::byte{0});
  return key;
}

Status check_name(std::string_view name) {
  const auto impossible = [](std::string_view what) {
    return Error(ErrorCode::unsupported, "no file can have this name: a part between slashes " + std::string(what));
  };
  if (name.empty()) return impossible("is empty");
  if (name == "." || name == "..") return impossible("is '" + std::string(name) + "'");
  if (name.find('\0') != std::string_view::npos) return impossible("has a zero byte");
  if (name.size() > name_size_bytes_max) return impossible("is longer than 255 bytes");
  return {};
}

PathEntry file_entry(std::string path, BucketVersion object) {
  PathEntry entry;
  entry.key = file_key(path);
  entry.path = "/" + std::move(path);
  entry.attributes.mode = file_mode;
  entry.attributes.modified = time_of(object.key.modified);
  entry.attributes.size_bytes = format::content_size_bytes(object.entry.content);
  entry.content = std::move(object.entry.content);
  return entry;
}

}  // namespace

BucketFiles::BucketFiles(tree::NodeStore& nodes, const vault::PointInfo& point, std::optional<UnixTimeNs> at)
    : root_(to_root(point.point.entries)),
      begun_(point.point.begun),
      at_(at),
      cursor_(nodes, root_),
      probe_(nodes, root_) {}

Result<std::optional<BucketVersion>> BucketFiles::next_object(tree::Cursor& cursor, Bytes from,
                                                              const std::string& prefix) const {
  TRY_DO(cursor.seek(from));
  while (cursor.valid()) {
    BucketVersion version = TRY(decode_bucket_version(cursor.entry().key, cursor.entry().value));
    if (!version.key.key.starts_with(prefix)) break;
    if (at_ && version.key.modified > *at_) {  // The next is an older version, or another key's newest.
      TRY_DO(cursor.next());
      continue;
    }
    if (version.about.type == BucketItemType::object) return std::optional(std::move(version));
    TRY_DO(cursor.seek(format::after_versions(version.key.key)));
  }
  return std::optional<BucketVersion>();
}

Result<std::optional<BucketVersion>> BucketFiles::object_of(const std::string& key) {
  auto found = TRY(next_object(probe_, format::range_of_versions(key).from, key));
  if (found && found->key.key != key) found.reset();
  return found;
}

Result<bool> BucketFiles::has_folder(const std::string& path) {
  while (!probed_.empty() && !path.starts_with(probed_.back().first)) probed_.pop_back();
  for (const auto& [probed, is_there] : probed_) {
    if (probed == path) return is_there;
  }
  const std::string prefix = path + "/";
  const bool is_there = TRY(next_object(probe_, format::range_of_prefix(prefix).from, prefix)).has_value();
  probed_.emplace_back(path, is_there);
  return is_there;
}

// Objects sort by their bytes, names by components: a folder "a", whose objects begin with "a/", comes before the name
// "a-b", whose next byte is less than a slash.
Result<std::optional<std::string>> BucketFiles::folder_that_comes_first(const std::string& prefix,
                                                                        const std::string& name,
                                                                        const std::optional<std::string>& after) {
  for (size_t size = 0; size < name.size(); ++size) {
    if (static_cast<unsigned char>(name[size]) >= '/') continue;
    std::string folder = name.substr(0, size);
    if (after && folder <= *after) continue;
    if (TRY(has_folder(prefix + folder))) return std::optional(std::move(folder));
  }
  return std::optional<std::string>();
}

Result<std::optional<BucketFiles::Child>> BucketFiles::next_child(const std::string& prefix,
                                                                  const std::optional<std::string>& after) {
  // The folder's own entry is none of its children.
  const std::string last = prefix + after.value_or("");
  Bytes from = last.empty() ? format::range_of_prefix("").from : format::after_versions(last);
  while (auto object = TRY(next_object(cursor_, std::move(from), prefix))) {
    const std::string rest = object->key.key.substr(prefix.size());
    const size_t slash = rest.find('/');
    std::string name = rest.substr(0, slash);
    if (after && name <= *after) {  // What lies in a folder that was told before.
      from = format::range_of_prefix(prefix + name + "/").to;
      continue;
    }
    if (auto folder = TRY(folder_that_comes_first(prefix, name, after))) {
      return std::optional(Child{std::move(*folder), {}, true});
    }
    if (slash != std::string::npos) return std::optional(Child{std::move(name), {}, true});
    const bool is_folder = TRY(has_folder(prefix + name));
    return std::optional(Child{std::move(name), std::move(*object), is_folder});
  }
  return std::optional<Child>();
}

PathEntry BucketFiles::folder_entry(const std::string& path, const std::optional<BucketVersion>& marker) const {
  PathEntry folder;
  folder.key = file_key(path);
  folder.path = "/" + path;
  folder.attributes.type = format::FileType::directory;
  folder.attributes.mode = folder_mode;
  folder.attributes.modified = time_of(marker ? marker->key.modified : begun_);
  return folder;
}

Result<PathEntry> BucketFiles::child_entry(const std::string& prefix, const Child& child,
                                           const std::function<void(const std::string&, Error)>& leave_out) {
  const std::string path = prefix + child.name;
  if (!child.is_folder) return file_entry(path, *child.object);
  if (child.object) leave_out(path, Error(ErrorCode::unsupported, "there is a folder of the same name"));
  const auto marker = TRY(object_of(path + "/"));
  if (marker && format::content_size_bytes(marker->entry.content) > 0) {
    leave_out(path + "/", Error(ErrorCode::unsupported, "a folder cannot hold bytes of its own"));
  }
  return folder_entry(path, marker);
}

Result<std::optional<PathEntry>> BucketFiles::look_up(ByteView key) {
  const std::string path = object_path(key);
  if (path.empty()) return std::optional(folder_entry(path, {}));
  if (TRY(has_folder(path))) {
    const auto marker = TRY(object_of(path + "/"));
    return std::optional(folder_entry(path, marker));
  }
  auto object = TRY(object_of(path));
  if (!object) return std::optional<PathEntry>();
  return std::optional(file_entry(path, std::move(*object)));
}

Status BucketFiles::list(ByteView folder, const std::optional<Bytes>& after,
                         const std::function<Result<bool>(const PathEntry&)>& visit) {
  const std::string path = object_path(folder);
  const std::string prefix = path.empty() ? path : path + "/";
  std::optional<std::string> name;
  if (after) name = object_path(*after).substr(prefix.size());
  while (const auto child = TRY(next_child(prefix, name))) {
    name = child->name;
    if (!check_name(child->name)) continue;
    const PathEntry entry = TRY(child_entry(prefix, *child, [](const std::string&, const Error&) {}));
    if (!TRY(visit(entry))) break;
  }
  return {};
}

Status BucketFiles::walk(ByteView beneath, const std::function<Status(const PathEntry&)>& visit,
                         const std::function<void(const std::string& name, Error error)>& leave_out) {
  struct Level {
    std::string prefix;
    std::optional<std::string> after;
  };
  const std::string path = object_path(beneath);
  std::vector<Level> levels;
  if (path.empty()) {
    levels.push_back({});
  } else {
    const auto self = TRY(look_up(beneath));
    if (!self) return Error(ErrorCode::not_found, path + ": no such key in this recovery point");
    TRY_DO(visit(*self));
    if (self->attributes.type == format::FileType::directory) levels.push_back({path + "/", {}});
  }
  while (!levels.empty()) {
    Level& level = levels.back();
    const auto child = TRY(next_child(level.prefix, level.after));
    if (!child) {
      levels.pop_back();
      continue;
    }
    level.after = child->name;
    const std::string child_path = level.prefix + child->name;
    if (Status possible = check_name(child->name); !possible) {
      leave_out(child->is_folder ? child_path + "/..." : child_path, std::move(possible.error()));
      continue;
    }
    const PathEntry entry = TRY(child_entry(level.prefix, *child, leave_out));
    TRY_DO(visit(entry));
    if (child->is_folder) levels.push_back({child_path + "/", {}});
  }
  return {};
}

}  // namespace holdfast::job
