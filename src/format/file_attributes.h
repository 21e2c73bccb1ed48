// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "base/byte_io.h"
#include "base/bytes.h"
#include "base/result.h"
#include "format/further_fields.h"

namespace holdfast::format {

enum class FileType : uint8_t {
  regular = 1, directory = 2, symlink = 3, block_device = 4, char_device = 5, fifo = 6, socket = 7,
};

// Seconds may be negative and reach beyond what UnixTimeNs spans; nanoseconds count forward, 0 to 999,999,999.
struct FileTime {
  int64_t seconds = 0;
  uint32_t nanoseconds = 0;
  friend auto operator<=>(const FileTime&, const FileTime&) = default;
};

struct ExtendedAttribute {
  std::string name;  // With its namespace: "user.x", "system.posix_acl_access", "security.capability".
  Bytes value;
  friend bool operator==(const ExtendedAttribute&, const ExtendedAttribute&) = default;
};

// Bits of FileAttributes::flags, after statx's stx_attributes.
inline constexpr uint32_t file_flag_immutable = 1;
inline constexpr uint32_t file_flag_append_only = 2;
inline constexpr uint32_t file_flag_no_dump = 4;

// All that a Linux tree holds of one name besides its bytes. What serves only change detection (ctime, inode, device
// number of the file system) is not here but in the scan state, so that equal trees encode equally.
struct FileAttributes {
  FileType type = FileType::regular;
  uint32_t mode = 0;  // Permission bits with setuid, setgid and sticky: 07777.
  uint32_t user_id = 0;
  uint32_t group_id = 0;
  std::string user_name;   // Empty when the machine had none for the number.
  std::string group_name;
  FileTime modified;
  uint64_t size_bytes = 0;        // Regular files: apparent size.
  uint32_t device_major = 0;      // Devices only.
  uint32_t device_minor = 0;
  Bytes symlink_target;           // Symlinks only; any bytes.
  uint64_t link_group = 0;        // Non-zero: every name of one hard-linked file in this point carries the same number.
  uint32_t flags = 0;
  std::vector<ExtendedAttribute> extended;  // Sorted by name.
  FurtherFields further;
  friend bool operator==(const FileAttributes&, const FileAttributes&) = default;
};

// docs/format.md 8.2. Equal attributes have equal encodings; decoding refuses (`corrupt`) unsorted, duplicate or
// out-of-range fields, and (`unsupported`) types, flags and fields of later versions.
void encode_file_attributes(ByteWriter& out, const FileAttributes& attributes);
Result<FileAttributes> decode_file_attributes(ByteView bytes);

// Keys of file trees: the components of an absolute path without its leading slash, joined by zero bytes, so that a
// folder's descendants are one range. "" is the root itself. `invalid` for empty, "." and ".." components.
Result<Bytes> path_to_key(std::string_view path);
// "/"-led path of a key. `corrupt` for components that are empty, ".", ".." or hold a slash: never let such a key
// reach a file system.
Result<std::string> key_to_path(ByteView key);

}  // namespace holdfast::format
