// SPDX-License-Identifier: Apache-2.0
#include "format/file_attributes.h"

#include <algorithm>

#include "base/byte_io.h"
#include "base/newer.h"

namespace holdfast::format {
namespace {

constexpr uint32_t nanoseconds_end = 1'000'000'000;
constexpr uint32_t mode_max = 07777;
constexpr uint32_t known_flags = file_flag_immutable | file_flag_append_only | file_flag_no_dump;

// One bit for each optional field; set only where the field is not zero or empty, so that equal attributes have one
// encoding.
constexpr uint8_t has_size = 1;
constexpr uint8_t has_device = 2;
constexpr uint8_t has_symlink_target = 4;
constexpr uint8_t has_link_group = 8;
constexpr uint8_t has_flags = 16;
constexpr uint8_t has_extended = 32;
constexpr uint8_t has_further = 64;
constexpr uint8_t all_fields = 127;

uint8_t fields_of(const FileAttributes& a) {
  uint8_t fields = 0;
  if (a.size_bytes != 0) fields |= has_size;
  if (a.device_major != 0 || a.device_minor != 0) fields |= has_device;
  if (!a.symlink_target.empty()) fields |= has_symlink_target;
  if (a.link_group != 0) fields |= has_link_group;
  if (a.flags != 0) fields |= has_flags;
  if (!a.extended.empty()) fields |= has_extended;
  if (!a.further.empty()) fields |= has_further;
  return fields;
}

// Which optional fields make sense for a type.
uint8_t fields_allowed(FileType type) {
  constexpr uint8_t of_all = has_flags | has_extended | has_further;
  switch (type) {
    case FileType::regular: return of_all | has_size | has_link_group;
    case FileType::symlink: return of_all | has_symlink_target | has_link_group;
    case FileType::block_device:
    case FileType::char_device: return of_all | has_device | has_link_group;
    case FileType::directory: return of_all;
    case FileType::fifo:
    case FileType::socket: return of_all | has_link_group;
  }
  return 0;
}

Error malformed(std::string_view what) {
  return Error(ErrorCode::corrupt, "file attributes: " + std::string(what));
}

Status decode_extended(ByteReader& in, FileAttributes& out) {
  const uint64_t count = in.varint();
  // Each takes two bytes at least: a count beyond that is a lie and must not size anything.
  if (!in.ok() || count == 0 || count > in.remaining() / 2) return malformed("bad number of extended attributes");
  out.extended.reserve(count);
  for (uint64_t n = 0; n < count; ++n) {
    ExtendedAttribute attribute;
    attribute.name = as_text(in.string());
    attribute.value = to_bytes(in.string());
    if (!in.ok() || attribute.name.empty() || attribute.name.find('\0') != std::string::npos) {
      return malformed("bad extended attribute");
    }
    if (!out.extended.empty() && !(out.extended.back().name < attribute.name)) {
      return malformed("extended attributes out of order");
    }
    out.extended.push_back(std::move(attribute));
  }
  return {};
}

uint32_t varint32(ByteReader& in, bool& ok) {
  const uint64_t value = in.varint();
  if (value > UINT32_MAX) ok = false;
  return static_cast<uint32_t>(value);
}

bool is_component(std::string_view name) {
  return !name.empty() && name != "." && name != ".." && name.find('/') == std::string_view::npos &&
         name.find('\0') == std::string_view::npos;
}

}  // namespace

void encode_file_attributes(ByteWriter& out, const FileAttributes& a) {
  out.u8(static_cast<uint8_t>(a.type));
  const uint8_t fields = fields_of(a);
  out.u8(fields);
  out.varint(a.mode);
  out.varint(a.user_id);
  out.varint(a.group_id);
  out.string(a.user_name);
  out.string(a.group_name);
  out.svarint(a.modified.seconds);
  out.varint(a.modified.nanoseconds);
  if (fields & has_size) out.varint(a.size_bytes);
  if (fields & has_device) {
    out.varint(a.device_major);
    out.varint(a.device_minor);
  }
  if (fields & has_symlink_target) out.string(a.symlink_target);
  if (fields & has_link_group) out.fixed(a.link_group);
  if (fields & has_flags) out.varint(a.flags);
  if (fields & has_extended) {
    out.varint(a.extended.size());
    for (const ExtendedAttribute& attribute : a.extended) {
      out.string(attribute.name);
      out.string(attribute.value);
    }
  }
  if (fields & has_further) encode_further_fields(out, a.further);
}

Result<FileAttributes> decode_file_attributes(ByteView bytes) {
  ByteReader in(bytes);
  FileAttributes a;
  const uint8_t type = in.u8();
  const uint8_t fields = in.u8();
  if (!in.ok() || type == 0) return malformed("no file type");
  if (type > static_cast<uint8_t>(FileType::socket)) return made_by_newer("file type " + std::to_string(type));
  a.type = static_cast<FileType>(type);
  if ((fields & ~all_fields) != 0) return made_by_newer("file attributes");
  if ((fields & ~fields_allowed(a.type)) != 0) {
    return malformed("fields that the file type does not have");
  }
  bool in_range = true;
  a.mode = varint32(in, in_range);
  a.user_id = varint32(in, in_range);
  a.group_id = varint32(in, in_range);
  a.user_name = as_text(in.string());
  a.group_name = as_text(in.string());
  a.modified.seconds = in.svarint();
  a.modified.nanoseconds = varint32(in, in_range);
  if (fields & has_size) a.size_bytes = in.varint();
  if (fields & has_device) {
    a.device_major = varint32(in, in_range);
    a.device_minor = varint32(in, in_range);
  }
  if (fields & has_symlink_target) a.symlink_target = to_bytes(in.string());
  if (fields & has_link_group) a.link_group = in.fixed<uint64_t>();
  if (fields & has_flags) a.flags = varint32(in, in_range);
  if (fields & has_extended) TRY_DO(decode_extended(in, a));
  if (fields & has_further) a.further = TRY(decode_further_fields(in, "file attributes"));
  TRY_DO(in.finish("file attributes"));
  if (!in_range || a.mode > mode_max || a.modified.nanoseconds >= nanoseconds_end) {
    return malformed("value out of range");
  }
  if ((a.flags & ~known_flags) != 0) return made_by_newer("file flags");
  if (fields_of(a) != fields) return malformed("empty optional field");
  return a;
}

Result<Bytes> path_to_key(std::string_view path) {
  if (!path.empty() && path.front() == '/') path.remove_prefix(1);
  Bytes key;
  key.reserve(path.size());
  while (!path.empty()) {
    const size_t end = std::min(path.find('/'), path.size());
    const std::string_view name = path.substr(0, end);
    const bool last = end == path.size();
    if (!is_component(name) || (!last && end + 1 == path.size())) {
      return Error(ErrorCode::invalid, "path '" + std::string(path) + "' has a component that names nothing");
    }
    if (!key.empty()) key.push_back(std::byte{0});
    const ByteView bytes = as_bytes(name);
    key.insert(key.end(), bytes.begin(), bytes.end());
    path.remove_prefix(last ? end : end + 1);
  }
  return key;
}

Result<std::string> key_to_path(ByteView key) {
  std::string path;
  std::string_view rest = as_text(key);
  if (rest.empty()) return std::string("/");
  path.reserve(rest.size() + 1);
  while (true) {
    const size_t end = std::min(rest.find('\0'), rest.size());
    const std::string_view name = rest.substr(0, end);
    if (!is_component(name)) {
      return Error(ErrorCode::corrupt, "key of a file tree has a component that names no file");
    }
    path += '/';
    path += name;
    if (end == rest.size()) return path;
    rest.remove_prefix(end + 1);
  }
}

}  // namespace holdfast::format
