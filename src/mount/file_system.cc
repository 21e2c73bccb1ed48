// SPDX-License-Identifier: Apache-2.0
#include "mount/file_system.h"

#include <sys/sysmacros.h>

#include <algorithm>

namespace holdfast::mount {

namespace {

constexpr uint64_t own_places = 2;         // "." and ".."
constexpr uint64_t mark_every = 4096;      // Children between two marks of an open folder.
constexpr uint32_t block_size_bytes = 128 << 10;
constexpr uint64_t sector_size_bytes = 512;

mode_t type_bits(format::FileType type) {
  switch (type) {
    case format::FileType::regular: return S_IFREG;
    case format::FileType::directory: return S_IFDIR;
    case format::FileType::symlink: return S_IFLNK;
    case format::FileType::block_device: return S_IFBLK;
    case format::FileType::char_device: return S_IFCHR;
    case format::FileType::fifo: return S_IFIFO;
    case format::FileType::socket: return S_IFSOCK;
  }
  return S_IFREG;
}

// Bytes that are not in holes, as far as the entry itself says.
uint64_t used_size_bytes(const job::PathEntry& entry) {
  const auto* extents = std::get_if<format::ContentInline>(&entry.content);
  if (extents == nullptr) return entry.attributes.size_bytes;
  uint64_t used = 0;
  for (const format::Extent& extent : extents->extents) {
    if (extent.kind != format::ExtentKind::hole) used += extent.size_bytes();
  }
  return used;
}

struct stat stat_of(const job::PathEntry& entry, uint64_t inode) {
  const format::FileAttributes& about = entry.attributes;
  struct stat out{};
  out.st_ino = inode;
  out.st_mode = type_bits(about.type) | (about.mode & 07777);
  // How many names a file has, nobody counted; that there are several is what tar, rsync and du ask. A folder of one
  // link tells find(1) to count nothing by it.
  out.st_nlink = about.type != format::FileType::directory && about.link_group != 0 ? 2 : 1;
  out.st_uid = about.user_id;
  out.st_gid = about.group_id;
  out.st_rdev = ::makedev(about.device_major, about.device_minor);
  const bool is_link = about.type == format::FileType::symlink;
  out.st_size = static_cast<off_t>(is_link ? about.symlink_target.size() : about.size_bytes);
  out.st_blksize = block_size_bytes;
  if (about.type == format::FileType::regular) {
    out.st_blocks = static_cast<blkcnt_t>((used_size_bytes(entry) + sector_size_bytes - 1) / sector_size_bytes);
  }
  out.st_mtim = {.tv_sec = about.modified.seconds, .tv_nsec = about.modified.nanoseconds};
  out.st_atim = out.st_mtim;
  out.st_ctim = out.st_mtim;
  return out;
}

std::string_view last_component(ByteView key) {
  const std::string_view text = as_text(key);
  const size_t slash = text.rfind('\0');
  return slash == std::string_view::npos ? text : text.substr(slash + 1);
}

Error no_such_name() { return Error(ErrorCode::not_found, "no such name"); }

}  // namespace

std::optional<std::pair<uint64_t, Bytes>> OpenFolder::nearest(uint64_t place) {
  const MutexLock lock(mutex_);
  if (place == last_place_ && place > own_places) return std::pair(last_place_, last_key_);
  auto mark = marks_.upper_bound(place);
  if (mark == marks_.begin()) return std::nullopt;
  --mark;
  return std::pair(mark->first, mark->second);
}

void OpenFolder::passed(uint64_t place, ByteView key) {
  const MutexLock lock(mutex_);
  last_place_ = place;
  last_key_.assign(key.begin(), key.end());
  if (place % mark_every == 0) marks_.try_emplace(place, last_key_);
}

FileSystem::FileSystem(const std::vector<vault::PointInfo>& points, const std::optional<ObjectId>& latest,
                       size_t cache_size_bytes)
    : nodes_(cache_size_bytes / 4), blocks_(cache_size_bytes - cache_size_bytes / 4), top_(points, latest) {
  for (const vault::PointInfo& point : points) {
    size_bytes_ += point.point.size_bytes;
    entry_count_ += point.point.entry_count;
  }
}

Result<std::unique_ptr<FileSystem>> FileSystem::open(vault::Vault& vault, const std::vector<vault::PointInfo>& points,
                                                     const std::optional<ObjectId>& latest, size_t cache_size_bytes) {
  std::unique_ptr<FileSystem> opened(new FileSystem(points, latest, cache_size_bytes));
  for (const vault::PointInfo& point : points) {
    auto& readers = opened->readers_[point.domain];
    if (readers == nullptr) {
      vault::Vault::Domain& domain = *TRY(vault.domain(point.domain));
      TRY_DO(domain.load_index_once());
      readers = std::make_unique<DomainReaders>(vault, domain, opened->nodes_, opened->blocks_);
    }
    opened->views_.emplace_back(*readers, point);
  }
  return opened;
}

Result<FileSystem::Place> FileSystem::place_of(uint64_t inode) {
  Place place;
  if (inode < first_entry_inode) {
    place.top = top_.find(inode);
    if (place.top == nullptr) return no_such_name();
    if (place.top->kind != TopFolders::Kind::point) return place;
    place.point = static_cast<uint32_t>(place.top->point);
  } else {
    auto name = inodes_.find(inode);
    if (!name) return no_such_name();
    place.point = name->point;
    place.key = std::move(name->key);
  }
  place.view = &views_[place.point];
  return place;
}

Result<job::PathEntry> FileSystem::entry_at(const Place& place) {
  auto entry = TRY(place.view->look_up(place.key));
  if (!entry) return no_such_name();
  return std::move(*entry);
}

struct stat FileSystem::attributes_of(const TopFolders::Node& node) {
  struct stat out{};
  out.st_ino = node.inode;
  const bool is_link = node.kind == TopFolders::Kind::link;
  out.st_mode = is_link ? S_IFLNK | 0777 : S_IFDIR | 0555;
  out.st_nlink = 1;
  out.st_size = static_cast<off_t>(node.link_target.size());
  out.st_blksize = block_size_bytes;
  const UnixTimeNs time = std::max<UnixTimeNs>(node.time, 0);
  out.st_mtim = {.tv_sec = time / 1'000'000'000, .tv_nsec = time % 1'000'000'000};
  out.st_atim = out.st_mtim;
  out.st_ctim = out.st_mtim;
  return out;
}

Result<struct stat> FileSystem::look_up(uint64_t parent, std::string_view name) {
  const Place at = TRY(place_of(parent));
  if (at.view == nullptr) {
    const TopFolders::Node* child = top_.child(*at.top, name);
    if (child == nullptr) return no_such_name();
    return get_attributes(child->inode);
  }
  Bytes key = at.key;
  if (!key.empty()) key.push_back(std::byte{0});
  key.insert(key.end(), as_bytes(name).begin(), as_bytes(name).end());
  const auto entry = TRY(at.view->look_up(key));
  if (!entry) return no_such_name();
  const ObjectId& point = at.view->point().id;
  return stat_of(*entry, inodes_.remember(at.point, point, key, entry->attributes.link_group));
}

Result<struct stat> FileSystem::get_attributes(uint64_t inode) {
  const Place at = TRY(place_of(inode));
  if (at.view == nullptr) return attributes_of(*at.top);
  return stat_of(TRY(entry_at(at)), inode);
}

Result<std::string> FileSystem::read_link(uint64_t inode) {
  const Place at = TRY(place_of(inode));
  if (at.view == nullptr) return at.top->link_target;
  return std::string(as_text(TRY(entry_at(at)).attributes.symlink_target));
}

Result<std::vector<format::ExtendedAttribute>> FileSystem::extended_attributes(uint64_t inode) {
  const Place at = TRY(place_of(inode));
  if (at.view == nullptr) return std::vector<format::ExtendedAttribute>();
  const job::PathEntry entry = TRY(entry_at(at));
  if (std::holds_alternative<std::monostate>(entry.whole_attributes)) return entry.attributes.extended;
  constexpr uint64_t size_bytes_max = 16 << 20;
  const uint64_t size_bytes = format::content_size_bytes(entry.whole_attributes);
  if (size_bytes > size_bytes_max) return Error(ErrorCode::corrupt, "attributes beyond measure");
  Bytes attributes(size_bytes);
  (void)TRY(at.view->read(entry.whole_attributes, 0, attributes));
  return TRY(format::decode_file_attributes(attributes)).extended;
}

Result<std::unique_ptr<OpenFile>> FileSystem::open_file(uint64_t inode) {
  const Place at = TRY(place_of(inode));
  if (at.view == nullptr) return Error(ErrorCode::invalid, "not a file");
  job::PathEntry entry = TRY(entry_at(at));
  return std::make_unique<OpenFile>(OpenFile{at.view, std::move(entry.content)});
}

Result<std::unique_ptr<OpenFolder>> FileSystem::open_folder(uint64_t inode) {
  (void)TRY(place_of(inode));
  return std::make_unique<OpenFolder>(inode);
}

uint64_t FileSystem::parent_of(const Place& place) {
  if (place.top != nullptr) return place.top->parent;
  const std::string_view key = as_text(place.key);
  const size_t slash = key.rfind('\0');
  // A point's root has a number of its own, which is one of the top folders'.
  if (slash == std::string_view::npos) {
    const std::string name = TopFolders::point_name(place.view->point());
    const TopFolders::Node* root = top_.child(*top_.find(TopFolders::root_inode), name);
    return root != nullptr ? root->inode : TopFolders::root_inode;
  }
  return InodeTable::number_of(place.view->point().id, as_bytes(key.substr(0, slash)), 0);
}

Status FileSystem::list(OpenFolder& folder, uint64_t place, Hold hold,
                        const std::function<bool(const Listed&)>& visit) {
  const Place at = TRY(place_of(folder.inode()));
  for (; place < own_places; ++place) {
    Listed own{.name = place == 0 ? "." : "..", .attributes = {}, .next_place = place + 1};
    own.attributes.st_ino = place == 0 ? folder.inode() : parent_of(at);
    own.attributes.st_mode = S_IFDIR;
    if (!visit(own)) return {};
  }
  if (at.view == nullptr) return list_top(*at.top, place, visit);
  return list_children(folder, at, place, hold, visit);
}

Status FileSystem::list_top(const TopFolders::Node& node, uint64_t place,
                            const std::function<bool(const Listed&)>& visit) {
  for (size_t child = place - own_places; child < node.children.size(); ++child) {
    const auto& [name, inode] = node.children[child];
    const auto attributes = TRY(get_attributes(inode));
    const Listed listed{.name = name, .attributes = attributes, .next_place = child + own_places + 1};
    if (!visit(listed)) return {};
  }
  return {};
}

Status FileSystem::list_children(OpenFolder& folder, const Place& at, uint64_t place, Hold hold,
                                 const std::function<bool(const Listed&)>& visit) {
  const auto nearest = folder.nearest(place);
  uint64_t reached = nearest ? nearest->first : own_places;
  const std::optional<Bytes> after = nearest ? std::optional(nearest->second) : std::nullopt;
  const ObjectId& point = at.view->point().id;
  return at.view->list(at.key, after, [&](const job::PathEntry& entry) -> Result<bool> {
    ++reached;
    if (reached > place) {
      const uint64_t link_group = entry.attributes.link_group;
      const uint64_t inode = hold == Hold::yes ? inodes_.remember(at.point, point, entry.key, link_group)
                                               : InodeTable::number_of(point, entry.key, link_group);
      const Listed listed{
          .name = last_component(entry.key), .attributes = stat_of(entry, inode), .next_place = reached};
      if (!visit(listed)) {
        if (hold == Hold::yes) inodes_.forget(inode, 1);
        return false;
      }
    }
    folder.passed(reached, entry.key);
    return true;
  });
}

}  // namespace holdfast::mount
