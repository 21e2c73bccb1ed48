// SPDX-License-Identifier: Apache-2.0
#include "target/filetree/filetree_testing.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>

#include "base/byte_io.h"
#include "base/check.h"

namespace holdfast::target::testing {

namespace fs = std::filesystem;
using format::FileType;

namespace {

void clear_flags(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0) return;
  int flags = 0;
  if (::ioctl(fd, FS_IOC_GETFLAGS, &flags) == 0 && (flags & (FS_IMMUTABLE_FL | FS_APPEND_FL)) != 0) {
    flags &= ~(FS_IMMUTABLE_FL | FS_APPEND_FL);
    ::ioctl(fd, FS_IOC_SETFLAGS, &flags);
  }
  ::close(fd);
}

uint64_t hash_of(std::string_view text) { return std::hash<std::string_view>()(text); }

void describe_xattrs(std::ostream& out, const std::string& path) {
  std::string names(65536, '\0');
  const ssize_t size = ::llistxattr(path.c_str(), names.data(), names.size());
  if (size <= 0) return;
  names.resize(static_cast<size_t>(size));
  std::map<std::string, uint64_t> sorted;
  for (size_t at = 0; at < names.size(); at += std::string(names.c_str() + at).size() + 1) {
    const std::string name(names.c_str() + at);
    std::string value(65536, '\0');
    const ssize_t length = ::lgetxattr(path.c_str(), name.c_str(), value.data(), value.size());
    sorted[name] = length < 0 ? 0 : hash_of(std::string_view(value).substr(0, static_cast<size_t>(length)));
  }
  for (const auto& [name, hash] : sorted) out << ' ' << name << '=' << hash;
}

void describe(std::ostream& out, const std::string& path, const std::string& shown, Look look) {
  struct statx info{};
  CHECK(::statx(AT_FDCWD, path.c_str(), AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS, &info) == 0);
  const bool folder = S_ISDIR(info.stx_mode);
  out << shown << ' ' << std::oct << info.stx_mode << std::dec << ' ' << info.stx_uid << ':' << info.stx_gid
      << " m" << info.stx_mtime.tv_sec << '.' << info.stx_mtime.tv_nsec << " d" << info.stx_rdev_major << ','
      << info.stx_rdev_minor;
  if (!folder) out << " s" << info.stx_size;
  if (!folder && look != Look::content) out << " n" << info.stx_nlink;
  out << " f" << (info.stx_attributes & (STATX_ATTR_IMMUTABLE | STATX_ATTR_APPEND | STATX_ATTR_NODUMP));
  if (look == Look::all) {
    out << " i" << info.stx_ino << " c" << info.stx_ctime.tv_sec << '.' << info.stx_ctime.tv_nsec;
  }
  if (S_ISLNK(info.stx_mode)) out << " -> " << fs::read_symlink(path).native();
  if (S_ISREG(info.stx_mode)) out << " h" << hash_of(read_file(path));
  describe_xattrs(out, path);
  out << '\n';
}

std::string display(std::string_view key) {
  std::string path(key);
  std::replace(path.begin(), path.end(), '\0', '/');
  return path;
}

Status write_pieces(Writer& writer, const Bytes& content) {
  constexpr size_t step_bytes = 64 * 1024;
  TRY_DO(writer.prepare(content.size()));
  AlignedBuffer wanted(step_bytes), there(step_bytes);
  for (size_t at = 0; at < content.size(); at += step_bytes) {
    const size_t size = std::min(step_bytes, content.size() - at);
    std::copy_n(content.begin() + static_cast<ptrdiff_t>(at), size, wanted.data());
    const ByteView piece(wanted.data(), size);
    const bool can_compare = TRY(writer.read_existing(at, there.span().first(size)));
    if (can_compare && equal(piece, ByteView(there.data(), size))) continue;
    TRY_DO(writer.write_at(at, piece));
  }
  return writer.complete();
}

}  // namespace

TemporaryFolder::TemporaryFolder(const std::string& base) {
  path_ = (base.empty() ? fs::temp_directory_path().native() : base) + "/holdfast-test-XX" "XXXX";
  CHECK(::mkdtemp(path_.data()) != nullptr);
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  for (fs::recursive_directory_iterator at(path_, ignored), end; at != end; at.increment(ignored)) {
    if (!at->is_symlink(ignored)) clear_flags(at->path().native());
    if (!at->is_symlink(ignored) && at->is_directory(ignored)) {
      fs::permissions(at->path(), fs::perms::owner_all, fs::perm_options::add, ignored);
    }
  }
  fs::remove_all(path_, ignored);
}

Bytes Point::key_of(std::string_view path) {
  Bytes key = to_bytes(path);
  std::replace(key.begin(), key.end(), std::byte{'/'}, std::byte{0});
  return key;
}

format::FileAttributes& Point::add(Bytes key, FileType type, uint32_t mode) {
  const auto number = static_cast<int64_t>(items.size());
  format::FileAttributes& attributes = items[std::move(key)].attributes;
  attributes.type = type;
  attributes.mode = mode;
  attributes.user_id = ::geteuid();
  attributes.group_id = ::getegid();
  attributes.modified = {1'500'000'000 + number, static_cast<uint32_t>(123'456'789 + number)};
  return attributes;
}

format::FileAttributes& Point::folder(std::string_view path, uint32_t mode) {
  return add(key_of(path), FileType::directory, mode);
}

format::FileAttributes& Point::file(std::string_view path, std::string_view content, uint32_t mode) {
  format::FileAttributes& attributes = add(key_of(path), FileType::regular, mode);
  attributes.size_bytes = content.size();
  items[key_of(path)].content = to_bytes(content);
  return attributes;
}

format::FileAttributes& Point::symlink(std::string_view path, std::string_view text) {
  format::FileAttributes& attributes = add(key_of(path), FileType::symlink, 0777);
  attributes.symlink_target = to_bytes(text);
  return attributes;
}

format::FileAttributes& Point::special(std::string_view path, FileType type) {
  return add(key_of(path), type, 0640);
}

format::FileAttributes& Point::raw(ByteView key, FileType type) {
  format::FileAttributes& attributes = add(to_bytes(key), type, 0644);
  if (type == FileType::regular) {
    items[to_bytes(key)].content = to_bytes("hostile");
    attributes.size_bytes = 7;
  }
  return attributes;
}

format::Entry entry_of(const PointItem& item) {
  format::Entry entry;
  ByteWriter out(entry.attributes);
  format::encode_file_attributes(out, item.attributes);
  if (!item.content.empty()) {
    entry.content = format::ContentInline{{format::Extent::of_chunk(
        ChunkId{{std::byte{1}}}, static_cast<uint32_t>(item.content.size()))}};
  }
  return entry;
}

std::string Restored::text() const {
  std::string all;
  for (const Problem& problem : problems) all += problem.name + ": " + problem.error.message() + "\n";
  return all;
}

Result<Restored> restore(const Point& point, const FileTreeTargetOptions& options, size_t piecewise_min_bytes) {
  const std::unique_ptr<Target> target = TRY(FileTreeTarget::open(options));
  TRY_DO(target->begin());
  Restored restored;
  for (const auto& [key, item] : point.items) {
    const Placement placed = TRY(target->place(key, entry_of(item)));
    restored.kept_count += placed.kept ? 1 : 0;
    if (placed.action != Placement::Action::write) continue;
    ++restored.written_count;
    const Status written = item.content.size() < piecewise_min_bytes ? placed.writer->write_whole(item.content)
                                                                      : write_pieces(*placed.writer, item.content);
    if (!written) restored.problems.push_back({display(as_text(key)), written.error()});
  }
  for (Problem& problem : TRY(target->finish())) restored.problems.push_back(std::move(problem));
  return restored;
}

std::string describe_tree(const std::string& path, Look look) {
  std::vector<std::string> paths;
  for (const fs::directory_entry& entry : fs::recursive_directory_iterator(path)) {
    paths.push_back(entry.path().native());
  }
  std::sort(paths.begin(), paths.end());
  std::ostringstream out;
  describe(out, path, ".", look);
  for (const std::string& each : paths) describe(out, each, each.substr(path.size() + 1), look);
  return out.str();
}

void write_file(const std::string& path, std::string_view content) {
  std::ofstream out(path, std::ios::binary);
  out << content;
  CHECK(out.good());
}

std::string read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

}  // namespace holdfast::target::testing
