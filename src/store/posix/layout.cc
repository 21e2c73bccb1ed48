// SPDX-License-Identifier: Apache-2.0
#include "store/posix/layout.h"

#include <algorithm>
#include <vector>

#include "os/file.h"
#include "store/key.h"

namespace holdfast::store::layout {

namespace {

constexpr size_t hash_size_digits = 64;
constexpr size_t fan_size_digits = 2;

bool is_hex(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}
bool is_hash(std::string_view name) { return name.size() == hash_size_digits && is_hex(name); }
bool is_fan(std::string_view name) {
  return name.size() == 1 + fan_size_digits && name[0] == '@' && is_hex(name.substr(1));
}

enum class ItemKind { object, folder, fan };

// One name in a folder. `name` is what follows the folder's key prefix: "x" for an object, "x/" for all keys beneath a
// folder, "0f" for all those in "@0f". Sorting by it sorts the keys, but for names that begin as a fan's do: those are
// merged with the fan's when the walk comes to it.
struct Item {
  std::string name;
  ItemKind kind = ItemKind::object;
  bool in_fan = false;
};

struct Frame {
  std::string key_prefix;
  std::vector<Item> items;
  size_t next = 0;
};

bool sorts_before(const Item& a, const Item& b) {
  // An object "0f" comes before what the fan "0f" holds.
  return a.name != b.name ? a.name < b.name : a.kind < b.kind;
}

class Walk {
 public:
  Walk(int root_fd, std::string_view prefix, std::string_view after,
       const std::function<Status(const ObjectInfo&)>& visit)
      : root_fd_(root_fd), prefix_(prefix), after_(after), visit_(visit) {}

  Status run(std::string_view start) {
    TRY_DO(enter(std::string(start)));
    while (!frames_.empty()) {
      Frame& frame = frames_.back();
      if (frame.next == frame.items.size()) {
        frames_.pop_back();
        continue;
      }
      const Item item = std::move(frame.items[frame.next++]);
      if (item.kind == ItemKind::object) TRY_DO(show(frame.key_prefix, item));
      if (item.kind == ItemKind::folder) TRY_DO(enter(frame.key_prefix + item.name));
      if (item.kind == ItemKind::fan) TRY_DO(enter_fan(item.name));
    }
    return {};
  }

 private:
  // Whether any key that begins with `start` can be wanted.
  bool may_hold(std::string_view start) const {
    const bool prefix_fits = start.starts_with(prefix_) || prefix_.starts_with(start);
    return prefix_fits && (start > after_ || after_.starts_with(start));
  }
  bool is_wanted(std::string_view key) const { return key.starts_with(prefix_) && key > after_; }

  // A folder that is gone meanwhile is an empty one.
  Result<std::vector<os::DirectoryItem>> names_in(const std::string& path) {
    Result<std::vector<os::DirectoryItem>> names = os::list_directory_at(root_fd_, path);
    if (!names && names.error().code() == ErrorCode::not_found) return std::vector<os::DirectoryItem>();
    return names;
  }

  Status enter(std::string key_prefix) {
    const std::string path = key_prefix.empty() ? "." : key_prefix;
    Frame frame{.key_prefix = std::move(key_prefix), .items = {}, .next = 0};
    for (os::DirectoryItem& entry : TRY(names_in(path))) {
      Item item{.name = std::move(entry.name), .kind = ItemKind::object, .in_fan = false};
      if (entry.kind == os::FileKind::directory && is_fan(item.name)) {
        item.kind = ItemKind::fan;
        item.name.erase(0, 1);
      } else if (!check_key(item.name)) {
        continue;
      } else if (entry.kind == os::FileKind::directory) {
        item.kind = ItemKind::folder;
        item.name += '/';
      } else if (entry.kind != os::FileKind::file || is_hash(item.name)) {
        continue;
      }
      keep_if_wanted(frame, std::move(item));
    }
    std::sort(frame.items.begin(), frame.items.end(), sorts_before);
    frames_.push_back(std::move(frame));
    return {};
  }

  // Reads the fan and takes over those of the folder's remaining names that lie among its own.
  Status enter_fan(const std::string& digits) {
    Frame& parent = frames_.back();
    Frame frame{.key_prefix = parent.key_prefix, .items = {}, .next = 0};
    for (os::DirectoryItem& entry : TRY(names_in(parent.key_prefix + "@" + digits))) {
      if (entry.kind != os::FileKind::file || !is_hash(entry.name) || !entry.name.starts_with(digits)) continue;
      keep_if_wanted(frame, {.name = std::move(entry.name), .kind = ItemKind::object, .in_fan = true});
    }
    while (parent.next < parent.items.size() && parent.items[parent.next].name.starts_with(digits)) {
      frame.items.push_back(std::move(parent.items[parent.next++]));
    }
    std::sort(frame.items.begin(), frame.items.end(), sorts_before);
    frames_.push_back(std::move(frame));
    return {};
  }

  void keep_if_wanted(Frame& frame, Item item) {
    const std::string key = frame.key_prefix + item.name;
    if (item.kind == ItemKind::object ? is_wanted(key) : may_hold(key)) frame.items.push_back(std::move(item));
  }

  Status show(const std::string& key_prefix, const Item& item) {
    ObjectInfo info{.key = key_prefix + item.name, .size_bytes = 0};
    const std::string path = item.in_fan ? path_of(info.key) : info.key;
    const Result<os::FileStat> found = os::stat_at(root_fd_, path);
    if (!found && found.error().code() == ErrorCode::not_found) return {};  // Removed meanwhile.
    if (!found) return found.error();
    info.size_bytes = found->size_bytes;
    return visit_(info);
  }

  const int root_fd_;
  const std::string_view prefix_;
  const std::string_view after_;
  const std::function<Status(const ObjectInfo&)>& visit_;
  std::vector<Frame> frames_;
};

}  // namespace

std::string path_of(std::string_view key) {
  const size_t slash = key.rfind('/');
  const size_t name_at = slash == std::string_view::npos ? 0 : slash + 1;
  const std::string_view name = key.substr(name_at);
  std::string path(key);
  if (is_hash(name)) path.insert(name_at, "@" + std::string(name.substr(0, fan_size_digits)) + "/");
  return path;
}

Status list(int root_fd, std::string_view prefix, std::string_view after,
            const std::function<Status(const ObjectInfo&)>& visit) {
  TRY_DO(check_prefix(prefix));
  const size_t slash = prefix.rfind('/');
  const std::string_view start = slash == std::string_view::npos ? "" : prefix.substr(0, slash + 1);
  // Such a folder cannot hold objects, and ".." must not lead the walk out of the root.
  if (!start.empty() && !check_key(start.substr(0, slash))) return {};
  return Walk(root_fd, prefix, after, visit).run(start);
}

}  // namespace holdfast::store::layout
