// SPDX-License-Identifier: Apache-2.0
#include "job/walk.h"

#include <fnmatch.h>

#include <algorithm>
#include <array>
#include <vector>

#include "base/newer.h"
#include "job/whole_attributes.h"
#include "tree/content_list.h"
#include "tree/tree.h"

namespace holdfast::job {

namespace {

// So much content is fetched at once: enough for few requests, little enough to hold.
constexpr uint64_t window_size_bytes = 8 << 20;
constexpr size_t zeros_size_bytes = 64 << 10;

Result<Bytes> key_of_path(std::string_view path) {
  while (!path.empty() && path.back() == '/') path.remove_suffix(1);
  while (!path.empty() && path.front() == '/') path.remove_prefix(1);
  if (path.empty()) return Bytes();
  return format::path_to_key("/" + std::string(path));
}

// The first key after `key` and all that lies beneath it.
Bytes key_after_subtree(ByteView key) {
  Bytes after = to_bytes(key);
  after.push_back(std::byte{1});
  return after;
}

bool is_at_or_beneath(ByteView key, ByteView folder) {
  if (folder.empty()) return true;
  if (key.size() < folder.size() || !equal(key.first(folder.size()), folder)) return false;
  return key.size() == folder.size() || key[folder.size()] == std::byte{0};
}

// The key of the child of `folder` that `key`, which lies beneath it, is or is in.
ByteView child_key(ByteView key, ByteView folder) {
  const size_t begin = folder.empty() ? 0 : folder.size() + 1;
  const auto end = std::find(key.begin() + static_cast<ptrdiff_t>(begin), key.end(), std::byte{0});
  return key.first(static_cast<size_t>(end - key.begin()));
}

Error no_such_path(std::string_view path) {
  return Error(ErrorCode::not_found, std::string(path) + ": no such path in this recovery point");
}

}  // namespace

Status check_kind_is_known(const vault::PointInfo& point) {
  if (point.point.entry_kind <= static_cast<uint8_t>(format::EntryKind::bucket)) return {};
  return made_by_newer("recovery point of kind '" + point.point.kind + "'");
}

Result<PathEntry> decode_path_entry(ByteView key, ByteView value) {
  PathEntry found;
  found.path = TRY(format::key_to_path(key));
  format::Entry entry = TRY(format::decode_entry(value).during(found.path));
  TRY_DO(format::expect_kind(entry.kind, format::EntryKind::file).during(found.path));
  found.attributes = TRY(format::decode_file_attributes(entry.attributes).during(found.path));
  found.key = to_bytes(key);
  found.content = std::move(entry.content);
  found.whole_attributes = std::move(entry.whole_attributes);
  return found;
}

PointWalk::PointWalk(vault::Vault& vault, vault::Vault::Domain& domain, const vault::PointInfo& point)
    : domain_(domain), point_(point), nodes_(domain), fetcher_(domain, vault.store()) {}

Result<std::unique_ptr<PointWalk>> PointWalk::open(vault::Vault& vault, const vault::PointInfo& point) {
  TRY_DO(check_kind_is_known(point));
  vault::Vault::Domain& domain = *TRY(vault.domain(point.domain));
  TRY_DO(domain.load_index_once());
  return std::unique_ptr<PointWalk>(new PointWalk(vault, domain, point));
}

Result<std::optional<PathEntry>> PointWalk::look_up(std::string_view path) {
  const Bytes key = TRY(key_of_path(path));
  const auto value = TRY(tree::look_up(nodes_, to_root(point_.point.entries), key));
  if (!value) return std::optional<PathEntry>();
  return std::optional(TRY(decode_path_entry(key, *value)));
}

Status PointWalk::list(std::string_view path, Depth depth, const std::function<Status(const PathEntry&)>& visit) {
  const Bytes folder = TRY(key_of_path(path));
  tree::Cursor cursor(nodes_, to_root(point_.point.entries));
  TRY_DO(cursor.seek(folder));
  if (!cursor.valid() || !is_at_or_beneath(cursor.entry().key, folder)) {
    if (folder.empty()) return {};  // An empty point.
    return no_such_path(path);
  }
  if (equal(cursor.entry().key, folder)) {
    const PathEntry self = TRY(decode_path_entry(cursor.entry().key, cursor.entry().value));
    if (self.attributes.type != format::FileType::directory) return visit(self);
    TRY_DO(cursor.next());
  }
  while (cursor.valid() && is_at_or_beneath(cursor.entry().key, folder)) {
    const ByteView key = cursor.entry().key;
    const Bytes child = to_bytes(child_key(key, folder));
    if (depth == Depth::all || child.size() == key.size()) {
      TRY_DO(visit(TRY(decode_path_entry(key, cursor.entry().value))));
    }
    TRY_DO(depth == Depth::all ? cursor.next() : cursor.seek(key_after_subtree(child)));
  }
  return {};
}

Status PointWalk::find(std::string_view path, std::string_view glob, bool ignore_case,
                       const std::function<Status(const PathEntry&)>& visit) {
  const Bytes folder = TRY(key_of_path(path));
  const std::string pattern(glob);
  const bool by_path = glob.find('/') != std::string_view::npos;
  const int flags = ignore_case ? FNM_CASEFOLD : 0;
  return tree::for_range(
      nodes_, to_root(point_.point.entries), folder, folder.empty() ? Bytes() : key_after_subtree(folder),
      [&](const tree::EntryView& view) -> Status {
        std::string whole = TRY(format::key_to_path(view.key));
        const char* subject = by_path ? whole.c_str() : whole.c_str() + whole.rfind('/') + 1;
        if (::fnmatch(pattern.c_str(), subject, flags) != 0) return {};
        return visit(TRY(decode_path_entry(view.key, view.value)));
      });
}

// A stretch of content gathered for one fetch.
struct PointWalk::Window {
  struct Part {
    std::optional<size_t> chunk;  // Place in `chunks`; none: zeros.
    uint64_t skip_bytes = 0;      // From the front of the chunk.
    uint64_t size_bytes = 0;
  };
  std::vector<Part> parts;
  std::vector<Wanted> wanted;
  std::vector<Bytes> chunks;
  uint64_t chunk_bytes = 0;
};

Status PointWalk::drain(Window& window, const std::function<Status(ByteView)>& sink) {
  TRY_DO(fetcher_.fetch(
      window.wanted,
      [&](const Wanted& wanted, ByteView plain) -> Status {
        window.chunks[wanted.tag] = to_bytes(plain);
        return {};
      },
      [](const Wanted&, Error error) -> Status { return error; }));
  static constexpr std::array<std::byte, zeros_size_bytes> zeros{};
  for (const Window::Part& part : window.parts) {
    if (part.chunk) {
      const ByteView chunk = window.chunks[*part.chunk];
      if (chunk.size() < part.skip_bytes + part.size_bytes) {
        return Error(ErrorCode::corrupt, "a chunk is shorter than the content says");
      }
      TRY_DO(sink(chunk.subspan(part.skip_bytes, part.size_bytes)));
      continue;
    }
    for (uint64_t left = part.size_bytes; left > 0;) {
      const uint64_t size = std::min<uint64_t>(left, zeros.size());
      TRY_DO(sink(ByteView(zeros).first(size)));
      left -= size;
    }
  }
  window = {};
  return {};
}

Status PointWalk::read(const format::Content& content, uint64_t begin_bytes, uint64_t end_bytes,
                       const std::function<Status(ByteView)>& sink) {
  end_bytes = std::min(end_bytes, format::content_size_bytes(content));
  if (begin_bytes >= end_bytes) return {};
  Window window;
  if (const auto* piece = std::get_if<format::ContentPiece>(&content)) {
    window.wanted.push_back({.id = piece->piece, .is_piece = true, .tag = 0, .location = {}});
    window.chunks.resize(1);
    window.parts.push_back({.chunk = 0, .skip_bytes = begin_bytes, .size_bytes = end_bytes - begin_bytes});
    return drain(window, sink);
  }
  tree::ContentReader reader(nodes_, content);
  TRY_DO(reader.seek(begin_bytes));
  for (uint64_t at = begin_bytes; at < end_bytes;) {
    if (!reader.valid()) return Error(ErrorCode::corrupt, "a content ends before its size");
    const format::Extent& extent = reader.extent();
    const uint64_t extent_end = std::min(reader.offset_bytes() + extent.size_bytes(), end_bytes);
    if (extent.kind != format::ExtentKind::chunk) {
      window.parts.push_back({.chunk = {}, .skip_bytes = 0, .size_bytes = extent_end - at});
      at = extent_end;
    } else {
      const size_t place = window.chunks.size();
      window.wanted.push_back({.id = extent.chunk, .is_piece = false, .tag = place, .location = {}});
      window.chunks.emplace_back();
      window.chunk_bytes += extent.chunk_size_bytes;
      // A chunk that stands here a million times over is one fetch, but not one list of parts.
      while (at < extent_end && window.parts.size() < window_size_bytes / 64) {
        const uint64_t skip = (at - reader.offset_bytes()) % extent.chunk_size_bytes;
        const uint64_t size = std::min(extent.chunk_size_bytes - skip, extent_end - at);
        window.parts.push_back({.chunk = place, .skip_bytes = skip, .size_bytes = size});
        at += size;
      }
    }
    if (window.chunk_bytes >= window_size_bytes || window.parts.size() >= window_size_bytes / 64) {
      TRY_DO(drain(window, sink));
    }
    if (at == extent_end) TRY_DO(reader.next());
  }
  return drain(window, sink);
}

Status PointWalk::complete(PathEntry& entry) {
  if (std::holds_alternative<std::monostate>(entry.whole_attributes)) return {};
  const Bytes attributes = TRY(read_whole_attributes(fetcher_, entry.whole_attributes).during(entry.path));
  entry.attributes = TRY(format::decode_file_attributes(attributes).during(entry.path));
  entry.whole_attributes = {};
  return {};
}

Status PointWalk::cat(std::string_view path, const std::function<Status(ByteView)>& sink) {
  const auto entry = TRY(look_up(path));
  if (!entry) return no_such_path(path);
  if (entry->attributes.type != format::FileType::regular) {
    return Error(ErrorCode::invalid, entry->path + ": not a regular file");
  }
  return read(entry->content, 0, UINT64_MAX, sink).during(entry->path);
}

namespace {

DifferenceKind judge(const PathEntry& before, const PathEntry& after) {
  if (before.attributes.type != after.attributes.type) return DifferenceKind::type_changed;
  if (before.content != after.content || before.attributes.symlink_target != after.attributes.symlink_target) {
    return DifferenceKind::content_changed;
  }
  return DifferenceKind::metadata_changed;
}

}  // namespace

Status diff_points(vault::Vault& vault, const vault::PointInfo& before, const vault::PointInfo& after,
                   std::string_view path, const std::function<Status(const PathDifference&)>& visit) {
  if (before.domain != after.domain) {
    return Error(ErrorCode::unsupported, "the two recovery points belong to different domains")
        .with_hint("Contents are named by keys that differ between domains; restore both and compare.");
  }
  TRY_DO(check_kind_is_known(before));
  TRY_DO(check_kind_is_known(after));
  const Bytes folder = TRY(key_of_path(path));
  vault::Vault::Domain& domain = *TRY(vault.domain(before.domain));
  TRY_DO(domain.load_index_once());
  VaultNodes nodes(domain);
  return tree::diff(nodes, to_root(before.point.entries), to_root(after.point.entries),
                    [&](const tree::Difference& found) -> Status {
                      if (!is_at_or_beneath(found.key, folder)) return {};
                      PathDifference difference;
                      if (found.before) difference.before = TRY(decode_path_entry(found.key, *found.before));
                      if (found.after) difference.after = TRY(decode_path_entry(found.key, *found.after));
                      difference.kind = !difference.before  ? DifferenceKind::added
                                        : !difference.after ? DifferenceKind::removed
                                                            : judge(*difference.before, *difference.after);
                      return visit(difference);
                    });
}

}  // namespace holdfast::job
