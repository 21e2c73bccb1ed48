// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "os/fd.h"

// What a restore needs to look at and to set of one name: by descriptor, or by a handle on what cannot or must not be
// opened (symlinks, devices, FIFOs, sockets). Looking also goes by directory and name; changing does not, for whoever
// can write to the directory could put something else there between two calls. Never follows a symlink. Whatever
// changes something passes the mutation point. Errors carry errno's code and name the thing.
namespace holdfast::os {

struct Node {
  int fd = -1;             // If set, the two below are unused.
  bool is_handle = false;  // `fd` is from open_node_at().
  int dir_fd = -1;
  const char* name = "";
};

struct NodeTime {
  int64_t seconds = 0;
  uint32_t nanoseconds = 0;
  friend bool operator==(const NodeTime&, const NodeTime&) = default;
};

// Bits of NodeState::flags and change_flags().
inline constexpr uint32_t node_immutable = 1;
inline constexpr uint32_t node_append_only = 2;
inline constexpr uint32_t node_no_dump = 4;

struct NodeState {
  uint32_t mode = 0;  // With the type bits of stat(2).
  uint32_t user_id = 0;
  uint32_t group_id = 0;
  uint64_t link_count = 0;
  uint64_t size_bytes = 0;
  NodeTime modified;
  uint64_t inode = 0;
  uint64_t device = 0;         // Of the file system.
  uint32_t device_major = 0;   // Of the node itself, if it is one.
  uint32_t device_minor = 0;
  uint32_t flags = 0;
  bool is_mount_root = false;  // False also where the kernel cannot say.

  bool is_regular() const { return (mode & 0170000u) == 0100000u; }
  bool is_directory() const { return (mode & 0170000u) == 0040000u; }
  bool is_symlink() const { return (mode & 0170000u) == 0120000u; }
};

Result<NodeState> node_state(const Node& node);
// Nothing if the name does not exist.
Result<std::optional<NodeState>> node_state_if_any(const Node& node);
Result<Bytes> read_symlink(int dir_fd, const char* name);

// REQUIRES of all that follow: node.fd is set, unless said otherwise.
Status change_owner(const Node& node, uint32_t user_id, uint32_t group_id);
// `mode`: 07777. Not for symlinks.
Status change_mode(const Node& node, uint32_t mode);
// Sets the time of modification over the whole range the file system has and leaves the time of access alone.
Status change_modified_time(const Node& node, const NodeTime& time);

struct NodeXattr {
  std::string name;
  Bytes value;
};
// All that this process may see, unsorted. Empty where the file system has none. By name, too.
Result<std::vector<NodeXattr>> list_xattrs(const Node& node);
Status set_xattr(const Node& node, const std::string& name, ByteView value);
// Success also if it was not there.
Status remove_xattr(const Node& node, const char* name);
// False also where the file system has no ACLs.
bool has_default_acl(int dir_fd);

// Replaces those of `mask`. Regular files and directories only. `unsupported` where the file system has no such flags.
Status change_flags(int fd, uint32_t mask, uint32_t flags);

enum class NodeKind : uint8_t { block_device, char_device, fifo, socket };
Status make_node_at(int dir_fd, const char* name, NodeKind kind, uint32_t mode, uint32_t device_major,
                    uint32_t device_minor);
Status make_symlink_at(int dir_fd, const char* name, const std::string& text);

// A handle on whatever stands at `name`, symlinks and devices included, without opening it: for Node::is_handle and
// link_node_at().
Result<Fd> open_node_at(int dir_fd, const char* name);
// Makes `name` another name of the node behind `fd`, whatever its old name has become meanwhile. Needs /proc.
Status link_node_at(int fd, int dir_fd, const char* name);

// Opens the same file once more past the page cache. Needs /proc. `invalid` or `unsupported` where that cannot be.
Result<Fd> reopen_direct(int fd);

// What this process is and may do.
uint32_t effective_user_id();
uint32_t effective_group_id();
// The bits that creation clears; 0777 where that cannot be known.
uint32_t creation_mask();
// Nothing if this machine has no such name.
std::optional<uint32_t> user_id_of(const std::string& name);
std::optional<uint32_t> group_id_of(const std::string& name);
// Whether the file system that holds `fd` cannot be written (any more).
bool is_read_only(int fd);

}  // namespace holdfast::os
