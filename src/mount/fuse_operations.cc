// SPDX-License-Identifier: Apache-2.0
#include "mount/fuse_operations.h"

#include <cerrno>
#include <cstring>

#include "mount/file_system.h"

// Nothing here decides anything: arguments are handed on, answers are put into the form that libfuse wants.
namespace holdfast::mount {

namespace {

// A point never changes, so the kernel may keep what it was told.
constexpr double keep_seconds = 3600;
constexpr size_t read_size_bytes_max = 1 << 20;

FileSystem& system_of(fuse_req_t request) { return *static_cast<FileSystem*>(fuse_req_userdata(request)); }
OpenFile& file_of(const fuse_file_info* info) { return *reinterpret_cast<OpenFile*>(info->fh); }
OpenFolder& folder_of(const fuse_file_info* info) { return *reinterpret_cast<OpenFolder*>(info->fh); }

int errno_of(const Error& error) {
  switch (error.code()) {
    case ErrorCode::not_found: return ENOENT;
    case ErrorCode::invalid: return EINVAL;
    case ErrorCode::denied: return EACCES;
    case ErrorCode::unsupported: return ENOTSUP;
    default: return EIO;
  }
}

void reply_error(fuse_req_t request, const Error& error) { fuse_reply_err(request, errno_of(error)); }

void look_up(fuse_req_t request, fuse_ino_t parent, const char* name) {
  const auto found = system_of(request).look_up(parent, name);
  fuse_entry_param entry{};
  entry.entry_timeout = keep_seconds;
  entry.attr_timeout = keep_seconds;
  if (found) {
    entry.ino = found->st_ino;
    entry.attr = *found;
  } else if (found.error().code() != ErrorCode::not_found) {
    reply_error(request, found.error());
    return;
  }
  // With inode 0 the kernel remembers that there is no such name. An answer that does not arrive holds nothing.
  if (fuse_reply_entry(request, &entry) != 0 && entry.ino != 0) system_of(request).forget(entry.ino, 1);
}

void forget(fuse_req_t request, fuse_ino_t inode, uint64_t lookup_count) {
  system_of(request).forget(inode, lookup_count);
  fuse_reply_none(request);
}

void forget_many(fuse_req_t request, size_t count, fuse_forget_data* forgets) {
  for (size_t place = 0; place < count; ++place) system_of(request).forget(forgets[place].ino, forgets[place].nlookup);
  fuse_reply_none(request);
}

void get_attributes(fuse_req_t request, fuse_ino_t inode, fuse_file_info*) {
  const auto found = system_of(request).get_attributes(inode);
  if (!found) return reply_error(request, found.error());
  fuse_reply_attr(request, &*found, keep_seconds);
}

void read_link(fuse_req_t request, fuse_ino_t inode) {
  const auto target = system_of(request).read_link(inode);
  if (!target) return reply_error(request, target.error());
  fuse_reply_readlink(request, target->c_str());
}

void open_file(fuse_req_t request, fuse_ino_t inode, fuse_file_info* info) {
  auto opened = system_of(request).open_file(inode);
  if (!opened) return reply_error(request, opened.error());
  info->fh = reinterpret_cast<uint64_t>(opened->get());
  info->keep_cache = 1;
  if (fuse_reply_open(request, info) == 0) (void)opened->release();  // Ours again in release_file().
}

void release_file(fuse_req_t request, fuse_ino_t, fuse_file_info* info) {
  delete &file_of(info);
  fuse_reply_err(request, 0);
}

void read_file(fuse_req_t request, fuse_ino_t, size_t size_bytes, off_t offset_bytes, fuse_file_info* info) {
  // Kept between requests: there is one a worker thread.
  static thread_local Bytes buffer;
  const OpenFile& file = file_of(info);
  const size_t wanted = std::min(size_bytes, read_size_bytes_max);
  if (buffer.size() < wanted) buffer.resize(wanted);
  const auto size =
      file.view->read(file.content, static_cast<uint64_t>(offset_bytes), MutableByteView(buffer).first(wanted));
  if (!size) return reply_error(request, size.error());
  fuse_reply_buf(request, reinterpret_cast<const char*>(buffer.data()), *size);
}

void seek(fuse_req_t request, fuse_ino_t, off_t offset_bytes, int whence, fuse_file_info* info) {
  const OpenFile& file = file_of(info);
  if (whence != SEEK_DATA && whence != SEEK_HOLE) {
    fuse_reply_err(request, EINVAL);
    return;
  }
  const auto found = file.view->seek(file.content, static_cast<uint64_t>(offset_bytes),
                                     whence == SEEK_DATA ? PointView::Seek::data : PointView::Seek::hole);
  if (!found) return reply_error(request, found.error());
  if (!*found) {
    fuse_reply_err(request, ENXIO);
  } else {
    fuse_reply_lseek(request, static_cast<off_t>(**found));
  }
}

void open_folder(fuse_req_t request, fuse_ino_t inode, fuse_file_info* info) {
  auto opened = system_of(request).open_folder(inode);
  if (!opened) return reply_error(request, opened.error());
  info->fh = reinterpret_cast<uint64_t>(opened->get());
  info->cache_readdir = 1;
  info->keep_cache = 1;
  if (fuse_reply_open(request, info) == 0) (void)opened->release();  // Ours again in release_folder().
}

void release_folder(fuse_req_t request, fuse_ino_t, fuse_file_info* info) {
  delete &folder_of(info);
  fuse_reply_err(request, 0);
}

enum class Listing { names, entries };

void list_folder(fuse_req_t request, size_t size_bytes, off_t place, const fuse_file_info* info, Listing what) {
  static thread_local std::vector<char> buffer;
  if (buffer.size() < size_bytes) buffer.resize(size_bytes);
  size_t used = 0;
  const auto add = [&](const FileSystem::Listed& listed) {
    const std::string name(listed.name);
    char* const to = buffer.data() + used;
    const size_t room = size_bytes - used;
    const auto next = static_cast<off_t>(listed.next_place);
    size_t needed = 0;
    if (what == Listing::names) {
      needed = fuse_add_direntry(request, to, room, name.c_str(), &listed.attributes, next);
    } else {
      fuse_entry_param entry{};
      entry.attr = listed.attributes;
      // "." and ".." are named, not looked up.
      entry.ino = name == "." || name == ".." ? 0 : listed.attributes.st_ino;
      entry.entry_timeout = keep_seconds;
      entry.attr_timeout = keep_seconds;
      needed = fuse_add_direntry_plus(request, to, room, name.c_str(), &entry, next);
    }
    if (needed > room) return false;
    used += needed;
    return true;
  };
  const auto hold = what == Listing::entries ? FileSystem::Hold::yes : FileSystem::Hold::no;
  const Status listed = system_of(request).list(folder_of(info), static_cast<uint64_t>(place), hold, add);
  // What was listed before an error is held by the kernel only if it is told.
  if (!listed && used == 0) return reply_error(request, listed.error());
  fuse_reply_buf(request, buffer.data(), used);
}

void list_names(fuse_req_t request, fuse_ino_t, size_t size_bytes, off_t place, fuse_file_info* info) {
  list_folder(request, size_bytes, place, info, Listing::names);
}

void list_entries(fuse_req_t request, fuse_ino_t, size_t size_bytes, off_t place, fuse_file_info* info) {
  list_folder(request, size_bytes, place, info, Listing::entries);
}

// The two calls for attributes share a rule: with a size of 0 they ask how much there is.
void reply_sized(fuse_req_t request, ByteView bytes, size_t size_bytes_max) {
  if (size_bytes_max == 0) {
    fuse_reply_xattr(request, bytes.size());
  } else if (bytes.size() > size_bytes_max) {
    fuse_reply_err(request, ERANGE);
  } else {
    fuse_reply_buf(request, reinterpret_cast<const char*>(bytes.data()), bytes.size());
  }
}

void get_extended(fuse_req_t request, fuse_ino_t inode, const char* name, size_t size_bytes) {
  const auto attributes = system_of(request).extended_attributes(inode);
  if (!attributes) return reply_error(request, attributes.error());
  for (const format::ExtendedAttribute& attribute : *attributes) {
    if (attribute.name == name) return reply_sized(request, attribute.value, size_bytes);
  }
  fuse_reply_err(request, ENODATA);
}

void list_extended(fuse_req_t request, fuse_ino_t inode, size_t size_bytes) {
  const auto attributes = system_of(request).extended_attributes(inode);
  if (!attributes) return reply_error(request, attributes.error());
  std::string names;
  for (const format::ExtendedAttribute& attribute : *attributes) names += attribute.name + '\0';
  reply_sized(request, as_bytes(names), size_bytes);
}

void file_system_state(fuse_req_t request, fuse_ino_t) {
  constexpr uint64_t unit_bytes = 4096;
  struct statvfs state{};
  state.f_bsize = unit_bytes;
  state.f_frsize = unit_bytes;
  state.f_blocks = (system_of(request).size_bytes() + unit_bytes - 1) / unit_bytes;
  state.f_files = system_of(request).entry_count();
  state.f_namemax = 255;
  fuse_reply_statfs(request, &state);
}

}  // namespace

const fuse_lowlevel_ops& fuse_operations() {
  static const fuse_lowlevel_ops operations = [] {
    fuse_lowlevel_ops calls{};
    calls.lookup = look_up;
    calls.forget = forget;
    calls.forget_multi = forget_many;
    calls.getattr = get_attributes;
    calls.readlink = read_link;
    calls.open = open_file;
    calls.release = release_file;
    calls.read = read_file;
    calls.lseek = seek;
    calls.opendir = open_folder;
    calls.releasedir = release_folder;
    calls.readdir = list_names;
    calls.readdirplus = list_entries;
    calls.getxattr = get_extended;
    calls.listxattr = list_extended;
    calls.statfs = file_system_state;
    return calls;
  }();
  return operations;
}

}  // namespace holdfast::mount
