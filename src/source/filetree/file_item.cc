// SPDX-License-Identifier: Apache-2.0
#include "source/filetree/file_item.h"

#include <sys/stat.h>

#include "base/byte_io.h"
#include "source/filetree/file_content.h"

namespace holdfast::source {
namespace {

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

uint64_t non_zero(uint64_t value) { return value != 0 ? value : 1; }

void add_xattrs(std::vector<os::Xattr> xattrs, format::FileAttributes& attributes) {
  attributes.extended.reserve(xattrs.size());
  for (os::Xattr& xattr : xattrs) attributes.extended.push_back({std::move(xattr.name), std::move(xattr.value)});
}

Bytes encode(const format::FileAttributes& attributes) {
  Bytes bytes;
  bytes.reserve(64);
  ByteWriter out(bytes);
  format::encode_file_attributes(out, attributes);
  return bytes;
}

format::FileAttributes attributes_of(FileContext& context, const ChildState& child) {
  format::FileAttributes attributes;
  attributes.type = type_of(child.mode);
  attributes.mode = child.mode & 07777;
  attributes.user_id = child.user_id;
  attributes.group_id = child.group_id;
  attributes.user_name = context.owners.user(child.user_id);
  attributes.group_name = context.owners.group(child.group_id);
  attributes.modified = {child.modified.seconds, child.modified.nanoseconds};
  attributes.flags = child.attribute_bits;
  const bool is_device = S_ISBLK(child.mode) || S_ISCHR(child.mode);
  if (is_device) {
    attributes.device_major = static_cast<uint32_t>(child.size_bytes >> 32);
    attributes.device_minor = static_cast<uint32_t>(child.size_bytes);
  } else if (child.is_regular()) {
    attributes.size_bytes = child.size_bytes;
  }
  return attributes;
}

}  // namespace

std::string_view OwnerNames::user(uint32_t user_id) {
  const MutexLock lock(mutex_);
  const auto [place, is_new] = users_.try_emplace(user_id);
  if (is_new) place->second = os::user_name_of(user_id);
  return place->second;
}

std::string_view OwnerNames::group(uint32_t group_id) {
  const MutexLock lock(mutex_);
  const auto [place, is_new] = groups_.try_emplace(group_id);
  if (is_new) place->second = os::group_name_of(group_id);
  return place->second;
}

Bytes bare_attributes(FileContext& context, const ChildState& child) { return encode(attributes_of(context, child)); }

Bytes file_attributes_with(FileContext& context, const ChildState& child, uint64_t link_group,
                           std::vector<os::Xattr> xattrs) {
  format::FileAttributes attributes = attributes_of(context, child);
  attributes.link_group = link_group;
  add_xattrs(std::move(xattrs), attributes);
  return encode(attributes);
}

Result<Item> make_file_item(FileContext& context, const FilePlace& place, const ChildState& child) {
  Item item;
  format::FileAttributes attributes = attributes_of(context, child);
  const bool is_linked = !child.is_directory() && child.link_count > 1;
  if (is_linked) attributes.link_group = non_zero(mix(child.inode, place.link_salt));
  if (child.is_regular()) {
    item.size_bytes = child.size_bytes;
    item.content = std::make_shared<FileContent>(context, place.directory, child, attributes.link_group);
    if (is_linked) item.content_identity = non_zero(mix(child.inode, place.device));
  }
  // What finish() will tell need not be read twice; of linked files only one name's content may ever be opened.
  if (!child.is_regular() || is_linked) {
    const auto pin = TRY(place.directory->pin());
    std::string name(child.name);
    if (S_ISLNK(child.mode)) attributes.symlink_target = TRY(os::read_link_at(pin.fd(), name));
    if (place.follow || name.empty()) name += "/.";
    auto xattrs = os::read_xattrs_at(pin.fd(), name, xattrs_size_bytes_max);
    if (!xattrs) return std::move(xattrs.error()).during(place.directory->path() + "/" + std::string(child.name));
    add_xattrs(std::move(*xattrs), attributes);
  }
  item.attributes = encode(attributes);
  return item;
}

}  // namespace holdfast::source
