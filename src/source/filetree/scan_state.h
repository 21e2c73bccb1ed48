// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "os/file_metadata.h"

// What a scan remembers of a directory so that the next one sees at a glance that nothing changed (docs/format.md,
// "Scan state of a file tree"). Each directory's children, with all by which a change is noticed, are encoded in name
// order into one or more parts. The state tree maps
//
//   00                                     -> the root directory "/" itself, as a child without name
//   01 ‖ directory key ‖ 00 00             -> the first part
//   01 ‖ directory key ‖ 00 00 ‖ name      -> a further part, that begins with this child
//
// so that a subtree's state is one range and the order of parts is the order in which directories are walked. A freshly
// encoded directory that equals what the previous scan stored is unchanged: one comparison of bytes decides.
namespace holdfast::source {

// One name in a directory, as encoded.
struct ChildState {
  std::string_view name;  // Points into what was decoded.
  uint32_t mode = 0;      // With the type, as st_mode.
  uint32_t user_id = 0;
  uint32_t group_id = 0;
  uint32_t link_count = 0;   // 1 for directories.
  uint64_t size_bytes = 0;   // 0 for directories; of devices the number, major << 32 | minor.
  os::Timestamp modified;
  os::Timestamp changed;     // As `modified` where ctime is ignored.
  uint64_t inode = 0;        // 0 where inodes are ignored.
  uint8_t attribute_bits = 0;  // format::file_flag_*
  bool racy = false;     // Changed so shortly before it was looked at that it may have changed again unseen.
  bool sparse = false;   // Fewer bytes allocated than it holds. No sign of a change.
  bool foreign = false;  // On another file system than its directory. No sign of a change.

  bool is_directory() const;
  bool is_regular() const;
};

// Whether a child is still what the previous scan saw.
bool unchanged(const ChildState& before, const ChildState& now);

// One value of the state tree, within the encoder's or decoder's buffer.
struct StatePart {
  std::string first_name;  // Empty for the first part.
  size_t begin = 0;
  size_t end = 0;
};

// Encodes one directory. Reused from directory to directory it allocates nothing once it has grown.
class StateEncoder {
 public:
  static constexpr size_t part_size_bytes_min = 16 * 1024;
  static constexpr size_t part_size_bytes_max = 48 * 1024;  // Exceeded by less than one child.

  void begin();
  void add(const ChildState& child);  // In ascending order of names.
  void end();
  ByteView bytes() const { return ByteView(buffer_).first(size_); }
  const std::vector<StatePart>& parts() const { return parts_; }
  ByteView part(const StatePart& part) const { return bytes().subspan(part.begin, part.end - part.begin); }

 private:
  void begin_part(std::string_view first_name);

  Bytes buffer_;  // Written up to size_.
  size_t size_ = 0;
  std::vector<StatePart> parts_;
  ChildState previous_;
};

// The first byte of a part: whether another part follows.
bool is_last_part(ByteView part);

// Reads the children of consecutive parts.
class StateDecoder {
 public:
  StateDecoder() = default;
  // Views must outlive the decoder.
  explicit StateDecoder(std::vector<ByteView> parts) : parts_(std::move(parts)) {}
  // Nothing at the end. `corrupt` if the bytes are not what the encoder writes.
  Result<std::optional<ChildState>> next();

 private:
  std::vector<ByteView> parts_;
  size_t part_index_ = 0;
  ByteView rest_;
  ChildState previous_;
};

inline constexpr std::byte root_state_key{0};
// Key of a directory's first part; further parts append the name.
Bytes state_key(ByteView directory_key);

}  // namespace holdfast::source
