// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/hash_id.h"
#include "base/result.h"
#include "base/seams.h"
#include "format/further_fields.h"
#include "format/log_record.h"

namespace holdfast::format {

// A tree by its root, as tree::Root (which format cannot know).
struct TreeReference {
  ChunkId node;
  uint8_t height = 0;
  uint64_t entry_count = 0;
  friend bool operator==(const TreeReference&, const TreeReference&) = default;
};

// What a commit record's body says (docs/format.md 6.2). The point's id is the hash of the whole commit record.
struct RecoveryPoint {
  SessionId session{};
  ObjectId parent;                   // The point this was made upon; none for a first one.
  std::string kind;                  // source::Description::kind
  uint8_t entry_kind = 1;            // format::EntryKind
  std::string host;
  std::string user;
  std::vector<std::string> roots;
  std::vector<std::string> tags;     // Sorted.
  std::string description;
  UnixTimeNs begun = 0;
  UnixTimeNs ended = 0;
  TreeReference entries;
  TreeReference state;               // Scan state; its keys 02… name what was skipped.
  uint64_t entry_count = 0;
  uint64_t size_bytes = 0;           // Sum of apparent sizes.
  uint64_t read_bytes = 0;
  uint64_t stored_bytes = 0;         // Added to the vault by this point.
  uint64_t new_count = 0;
  uint64_t changed_count = 0;
  uint64_t unchanged_count = 0;
  uint64_t removed_count = 0;
  uint64_t skipped_count = 0;
  std::string program_version;
  FurtherFields further;
};

Bytes encode(const RecoveryPoint& point);
// `corrupt` for what is none, `unsupported` where is_of_newer_version().
Result<RecoveryPoint> decode_recovery_point(ByteView bytes);
// A point that only a later version can read: of another version, or with a further field that must be known.
bool is_of_newer_version(ByteView bytes);

}  // namespace holdfast::format
