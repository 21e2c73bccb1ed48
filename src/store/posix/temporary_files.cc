// SPDX-License-Identifier: Apache-2.0
#include "store/posix/temporary_files.h"

#include <map>

#include "os/file.h"
#include "os/random.h"
#include "store/posix/layout.h"

namespace holdfast::store {

namespace {

const std::string folder = std::string(layout::temporary_folder) + "/";
const std::string gate_path = folder + "@gate";
constexpr std::string_view alive_suffix = ".alive";

std::string alive_path(const std::string& writer) { return folder + writer + std::string(alive_suffix); }

}  // namespace

TemporaryFiles::~TemporaryFiles() {
  const MutexLock lock(mutex_);
  if (!alive_.is_open()) return;
  os::unlink_at(root_fd_, alive_path(writer_)).ignore("the next writer sweeps it");
}

Result<std::string> TemporaryFiles::fresh_path() {
  const uint64_t number = number_.fetch_add(1, std::memory_order_relaxed);
  const MutexLock lock(mutex_);
  if (writer_.empty()) TRY_DO(announce());
  return folder + writer_ + "." + std::to_string(number);
}

Status TemporaryFiles::announce() {
  const std::string writer = os::random_name();
  const os::OpenOptions options{.access = os::Access::read_write, .create = true, .mode = 0600};
  const os::Fd gate = TRY(os::open_at(root_fd_, gate_path, options));
  const Status entered = os::lock_file(gate.get(), os::FileLock::exclusive);
  if (!entered && entered.error().code() == ErrorCode::unsupported) {
    writer_ = writer;
    return {};
  }
  TRY_DO(entered);
  os::Fd alive = TRY(os::open_at(root_fd_, alive_path(writer), options));
  TRY_DO(os::lock_file(alive.get(), os::FileLock::exclusive));
  writer_ = writer;
  alive_ = std::move(alive);
  sweep().ignore("orphans cost space, not safety; another writer will try again");
  return {};
}

Status TemporaryFiles::sweep() {
  std::map<std::string, bool> dead;  // By writer.
  std::vector<std::string> markers;
  for (const os::DirectoryItem& item : TRY(os::list_directory_at(root_fd_, layout::temporary_folder))) {
    const size_t dot = item.name.find('.');
    if (dot == std::string::npos) continue;
    const std::string writer = item.name.substr(0, dot);
    if (writer == writer_) continue;
    const auto [known, is_new] = dead.try_emplace(writer, false);
    if (is_new) known->second = is_dead(writer);
    if (!known->second) continue;
    if (item.name.ends_with(alive_suffix)) {
      markers.push_back(item.name);
    } else {
      TRY_DO(os::unlink_at(root_fd_, folder + item.name));
    }
  }
  for (const std::string& marker : markers) TRY_DO(os::unlink_at(root_fd_, folder + marker));
  return {};
}

bool TemporaryFiles::is_dead(const std::string& writer) {
  const Result<os::Fd> alive = os::open_at(root_fd_, alive_path(writer), {.access = os::Access::read_write});
  if (!alive) return alive.error().code() == ErrorCode::not_found;
  const Result<bool> locked = os::try_lock_file(alive->get(), os::FileLock::exclusive);
  return locked.has_value() && *locked;
}

}  // namespace holdfast::store
