// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <unordered_map>

#include "format/file_attributes.h"
#include "os/apply_metadata.h"
#include "target/filetree/run.h"

namespace holdfast::target::filetree {

// What is to be set: the recorded attributes without what the policy forbids, numbers in place of names.
struct EntryPlan {
  format::FileAttributes attributes;
  bool set_owner = false;
};

// Turns recorded attributes into plans. One thread.
class Planner {
 public:
  explicit Planner(Run& run) : run_(&run) {}
  // `name` for what is left off.
  EntryPlan plan(format::FileAttributes attributes, const std::string& name);

 private:
  uint32_t number_of(const std::string& name, uint32_t number,
                     std::unordered_map<std::string, std::optional<uint32_t>>& known,
                     std::optional<uint32_t> (*look_up)(const std::string&));
  bool wants(const std::string& xattr_name) const;

  Run* run_;
  std::unordered_map<std::string, std::optional<uint32_t>> users_, groups_;
};

// What a node has before its metadata is set, as far as that is known.
struct Before {
  uint32_t mode = 0;  // 07777
  std::optional<uint32_t> user_id;
  std::optional<uint32_t> group_id;
  bool has_xattrs = true;  // May have some.
};
Before before_of(const os::NodeState& state);

// Sets all but the immutable and append-only flags; the time last, so that equal size and time mean a whole file.
// What cannot be set is recorded as a problem of `name`.
void apply_metadata(Run& run, const std::string& name, const os::Node& node, const EntryPlan& plan,
                    const Before& before);
// apply_flags() comes when nothing else is to be done to the node any more.
bool differs_in_flags(const os::NodeState& state, const EntryPlan& plan, const Policy& policy);
void apply_flags(Run& run, const std::string& name, int fd, uint32_t flags);

// Whether a node already has all that the plan would set, the size and content apart.
Result<bool> has_metadata(const os::Node& node, const os::NodeState& state, const EntryPlan& plan,
                          const Policy& policy);

inline bool same_time(const os::NodeTime& there, const format::FileTime& recorded) {
  return there.seconds == recorded.seconds && there.nanoseconds == recorded.nanoseconds;
}

}  // namespace holdfast::target::filetree
