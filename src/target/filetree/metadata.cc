// SPDX-License-Identifier: Apache-2.0
#include "target/filetree/metadata.h"

#include <algorithm>
#include <string_view>

namespace holdfast::target::filetree {

namespace {

constexpr const char* acl_access = "system.posix_acl_access";
constexpr const char* acl_default = "system.posix_acl_default";
constexpr uint32_t setuid_bits = 06000;
constexpr uint32_t lasting_flags = format::file_flag_immutable | format::file_flag_append_only;

// Times that some file systems cannot hold: ext4 clamps silently outside 1901 to 2446.
constexpr int64_t seconds_always_held_min = INT32_MIN;
constexpr int64_t seconds_always_held_max = INT32_MAX;

uint32_t flag_mask(const Policy& policy) {
  return policy.flags ? lasting_flags | format::file_flag_no_dump : format::file_flag_no_dump;
}

bool is_acl(std::string_view name) { return name == acl_access || name == acl_default; }

bool allows(const Policy& policy, std::string_view name) {
  if (is_acl(name)) return policy.acls;
  if (name.starts_with("user.")) return policy.user_xattrs;
  return policy.system_xattrs;
}

// What the kernel's security modules put there by themselves is not ours to remove.
bool is_removable(const Policy& policy, std::string_view name) {
  if (name.starts_with("user.") || is_acl(name)) return allows(policy, name);
  return policy.system_xattrs && (name.starts_with("trusted.") || name == "security.capability");
}

const format::ExtendedAttribute* find(const EntryPlan& plan, std::string_view name) {
  for (const format::ExtendedAttribute& wanted : plan.attributes.extended) {
    if (wanted.name == name) return &wanted;
  }
  return nullptr;
}

void set_owner(Run& run, const std::string& name, const os::Node& node, const EntryPlan& plan) {
  const Status changed = os::change_owner(node, plan.attributes.user_id, plan.attributes.group_id);
  if (changed) return;
  run.saw(changed.error());
  if (changed.error().code() == ErrorCode::denied) {
    run.lacks(Lack::owner, name, changed.error().message());
  } else {
    run.problem(name, changed.error());
  }
}

void set_xattrs(Run& run, const std::string& name, const os::Node& node, const EntryPlan& plan,
                bool may_have_some) {
  std::vector<os::NodeXattr> there;
  if (may_have_some) {
    Result<std::vector<os::NodeXattr>> listed = os::list_xattrs(node);
    if (!listed) return run.problem(name, listed.error());
    there = std::move(*listed);
  }
  for (const os::NodeXattr& old : there) {
    if (find(plan, old.name) != nullptr || !is_removable(run.policy, old.name)) continue;
    const Status removed = os::remove_xattr(node, old.name.c_str());
    if (!removed) run.problem(name, removed.error());
  }
  for (const format::ExtendedAttribute& wanted : plan.attributes.extended) {
    const auto same = std::find_if(there.begin(), there.end(), [&](const os::NodeXattr& old) {
      return old.name == wanted.name && equal(old.value, wanted.value);
    });
    if (same != there.end()) continue;
    const Status set = os::set_xattr(node, wanted.name, wanted.value);
    if (set) continue;
    const ErrorCode code = set.error().code();
    if (code == ErrorCode::denied || code == ErrorCode::unsupported) {
      run.lacks(Lack::attributes, name, set.error().message());
    } else {
      run.problem(name, set.error());
    }
  }
}

void set_time(Run& run, const std::string& name, const os::Node& node, const EntryPlan& plan) {
  const format::FileTime& wanted = plan.attributes.modified;
  const Status set = os::change_modified_time(node, {wanted.seconds, wanted.nanoseconds});
  if (!set) {
    run.saw(set.error());
    return run.problem(name, set.error());
  }
  if (wanted.seconds >= seconds_always_held_min && wanted.seconds <= seconds_always_held_max) return;
  const Result<os::NodeState> state = os::node_state(node);
  if (state && state->modified.seconds != wanted.seconds) {
    run.problem(name, Error(ErrorCode::unsupported, "this file system cannot hold its time of modification"));
  }
}

}  // namespace

uint32_t Planner::number_of(const std::string& name, uint32_t number,
                            std::unordered_map<std::string, std::optional<uint32_t>>& known,
                            std::optional<uint32_t> (*look_up)(const std::string&)) {
  if (run_->policy.owners == Owners::by_number || name.empty()) return number;
  const auto found = known.find(name);
  if (found != known.end()) return found->second.value_or(number);
  const std::optional<uint32_t> here = name.find('\0') != std::string::npos ? std::nullopt : look_up(name);
  known.emplace(name, here);
  return here.value_or(number);
}

EntryPlan Planner::plan(format::FileAttributes attributes, const std::string& name) {
  EntryPlan plan;
  const Policy& policy = run_->policy;
  attributes.mode &= 07777u;
  if (policy.owners != Owners::none) {
    attributes.user_id = number_of(attributes.user_name, attributes.user_id, users_, os::user_id_of);
    attributes.group_id = number_of(attributes.group_name, attributes.group_id, groups_, os::group_id_of);
    constexpr uint32_t no_change = UINT32_MAX;  // What chown(2) takes for "leave it".
    plan.set_owner = attributes.user_id != no_change && attributes.group_id != no_change;
    if (!plan.set_owner) run_->lacks(Lack::owner, name, "no such number can be an owner");
  }
  if ((attributes.mode & setuid_bits) != 0 && !policy.setuid) {
    run_->lacks(Lack::setuid, name, "not asked for");
    attributes.mode &= ~setuid_bits;
  }
  const size_t xattr_count = attributes.extended.size();
  std::erase_if(attributes.extended,
                [&](const format::ExtendedAttribute& xattr) { return !allows(policy, xattr.name); });
  if (attributes.extended.size() != xattr_count) run_->lacks(Lack::attributes, name, "not asked for");
  if ((attributes.flags & lasting_flags) != 0 && !policy.flags) {
    run_->lacks(Lack::flags, name, "not asked for");
    attributes.flags &= ~lasting_flags;
  }
  attributes.user_name = {};
  attributes.group_name = {};
  plan.attributes = std::move(attributes);
  return plan;
}

Before before_of(const os::NodeState& state) {
  return {.mode = state.mode & 07777u, .user_id = state.user_id, .group_id = state.group_id, .has_xattrs = true};
}

void apply_metadata(Run& run, const std::string& name, const os::Node& node, const EntryPlan& plan,
                    const Before& before) {
  const format::FileAttributes& attributes = plan.attributes;
  const bool own = plan.set_owner &&
                   (before.user_id != attributes.user_id || before.group_id != attributes.group_id);
  if (own) set_owner(run, name, node, plan);
  // The owner goes first: changing it clears setuid bits and capabilities. An ACL changes the mode.
  if (before.has_xattrs || !attributes.extended.empty()) {
    set_xattrs(run, name, node, plan, before.has_xattrs);
  }
  const bool mode_unsure = before.mode != attributes.mode || before.has_xattrs ||
                           !attributes.extended.empty() || (own && (attributes.mode & setuid_bits) != 0);
  if (mode_unsure && attributes.type != format::FileType::symlink) {
    const Status changed = os::change_mode(node, attributes.mode);
    if (!changed) {
      run.saw(changed.error());
      run.problem(name, changed.error());
    }
  }
  set_time(run, name, node, plan);
}

bool differs_in_flags(const os::NodeState& state, const EntryPlan& plan, const Policy& policy) {
  return ((state.flags ^ plan.attributes.flags) & flag_mask(policy)) != 0;
}

void apply_flags(Run& run, const std::string& name, int fd, uint32_t flags) {
  const Status changed = os::change_flags(fd, flag_mask(run.policy), flags);
  if (!changed) run.lacks(Lack::flags, name, changed.error().message());
}

Result<bool> has_metadata(const os::Node& node, const os::NodeState& state, const EntryPlan& plan,
                          const Policy& policy) {
  const format::FileAttributes& attributes = plan.attributes;
  if (!same_time(state.modified, attributes.modified)) return false;
  if (attributes.type != format::FileType::symlink && (state.mode & 07777u) != attributes.mode) return false;
  if (plan.set_owner && (state.user_id != attributes.user_id || state.group_id != attributes.group_id)) {
    return false;
  }
  if (attributes.type == format::FileType::regular && differs_in_flags(state, plan, policy)) return false;
  const Result<std::vector<os::NodeXattr>> there = os::list_xattrs(node);
  if (!there) return false;  // Not to be had by name without /proc; whoever sets them does so by descriptor.
  size_t found_count = 0;
  for (const os::NodeXattr& old : *there) {
    const format::ExtendedAttribute* wanted = find(plan, old.name);
    if (wanted == nullptr && is_removable(policy, old.name)) return false;
    if (wanted == nullptr) continue;
    if (!equal(wanted->value, old.value)) return false;
    ++found_count;
  }
  return found_count == attributes.extended.size();
}

}  // namespace holdfast::target::filetree
