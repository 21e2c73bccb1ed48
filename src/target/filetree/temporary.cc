// SPDX-License-Identifier: Apache-2.0
#include "target/filetree/temporary.h"

#include "base/hash_id.h"
#include "os/apply_metadata.h"
#include "os/random.h"

namespace holdfast::target::filetree {

namespace {

constexpr int attempt_count_max = 32;
constexpr uint32_t temporary_mode = 0600;

// FNV-1a. Collisions, made on purpose or not, cost only the adoption: the lock tells two writers apart.
uint64_t hash_of(std::string_view name) {
  uint64_t hash = 0xcbf29ce484222325;
  for (const char c : name) hash = (hash ^ static_cast<uint8_t>(c)) * 0x100000001b3;
  return hash;
}

bool is_ours(const os::NodeState& state, const Run& run) {
  return state.is_regular() && state.link_count == 1 && state.user_id == run.user_id &&
         (state.mode & 07777u) == temporary_mode && state.flags == 0;
}

// Nothing if it is not one of ours or someone writes to it.
Result<std::optional<os::Fd>> adopt(const Run& run, int dir_fd, const std::string& name) {
  Result<os::Fd> fd = os::open_beneath(dir_fd, name, {.access = os::Access::read_write, .nonblocking = true},
                                       os::Mounts::stay);
  if (!fd) return std::optional<os::Fd>();
  if (!is_ours(TRY(os::node_state({.fd = fd->get()})), run)) return std::optional<os::Fd>();
  if (!TRY(os::try_lock_file(fd->get(), os::FileLock::exclusive))) return std::optional<os::Fd>();
  return std::optional(std::move(*fd));
}

// Whether the name still leads to the open file: before the lock was ours, its writer may have renamed it.
Result<bool> is_in_place(int fd, int dir_fd, const std::string& name) {
  const os::NodeState open = TRY(os::node_state({.fd = fd}));
  const auto named = TRY(os::node_state_if_any({.dir_fd = dir_fd, .name = name.c_str()}));
  return named && named->inode == open.inode && named->device == open.device;
}

}  // namespace

std::string lasting_temporary_name(const std::string& name) {
  const uint64_t hash = hash_of(name);
  return std::string(temporary_prefix) + to_hex(std::as_bytes(std::span(&hash, 1)));
}

std::string random_temporary_name() { return std::string(temporary_prefix) + os::random_name(); }

Result<Temporary> open_temporary(Run& run, const Folder& folder, int dir_fd, const std::string& name) {
  for (int attempt = 0; attempt < attempt_count_max; ++attempt) {
    const bool lasting = attempt == 0 && !folder.reserved_names;
    Temporary temporary;
    temporary.name = lasting ? lasting_temporary_name(name) : random_temporary_name();
    Result<os::Fd> fd = os::open_at(dir_fd, temporary.name,
                                    {.access = os::Access::read_write,
                                     .create = true,
                                     .exclusive = true,
                                     .no_follow = true,
                                     .mode = temporary_mode});
    if (!fd && fd.error().code() != ErrorCode::conflict) return run.failed(fd.error());
    if (fd) {
      temporary.fd = std::move(*fd);
      if (!TRY(os::try_lock_file(temporary.fd.get(), os::FileLock::exclusive))) continue;
    } else if (lasting) {
      std::optional<os::Fd> adopted = TRY(adopt(run, dir_fd, temporary.name));
      if (!adopted) continue;
      temporary.fd = std::move(*adopted);
      temporary.adopted = true;
    } else {
      continue;
    }
    if (TRY(is_in_place(temporary.fd.get(), dir_fd, temporary.name))) return temporary;
  }
  return Error(ErrorCode::busy, "create a temporary file for " + name + ": every name is taken");
}

void discard_temporary(const Run& run, const Folder& folder, int dir_fd, const std::string& name) {
  if (folder.reserved_names) return;
  const std::string left = lasting_temporary_name(name);
  const Result<std::optional<os::Fd>> fd = adopt(run, dir_fd, left);
  if (!fd || !*fd) return;
  const Result<bool> in_place = is_in_place((*fd)->get(), dir_fd, left);
  if (in_place && *in_place) os::unlink_at(dir_fd, left).ignore("it only takes up space");
}

Status publish_temporary(Run& run, const Temporary& temporary, int dir_fd, const std::string& name,
                         bool expect_none) {
  if (!TRY(is_in_place(temporary.fd.get(), dir_fd, temporary.name))) {
    return Error(ErrorCode::changed, "rename to " + name + ": the temporary file was replaced");
  }
  if (expect_none) return run.watch(os::rename_new_at(dir_fd, temporary.name, dir_fd, name));
  return run.watch(os::rename_at(dir_fd, temporary.name, dir_fd, name));
}

}  // namespace holdfast::target::filetree
