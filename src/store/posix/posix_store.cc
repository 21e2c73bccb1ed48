// SPDX-License-Identifier: Apache-2.0
#include "store/posix/posix_store.h"

#include <limits>
#include <set>

#include "base/newer.h"
#include "os/file.h"
#include "store/key.h"
#include "store/posix/layout.h"
#include "store/posix/object_io.h"

namespace holdfast::store {

namespace {

constexpr mode_t folder_mode = 0700;
constexpr mode_t object_mode = 0600;

std::string folder_of(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == std::string::npos ? "." : path.substr(0, slash);
}

std::string naming(std::string_view key) { return "object " + std::string(key); }

Error absent(std::string_view key) { return Error(ErrorCode::not_found, naming(key) + ": not found"); }
Error too_short(std::string_view key) {
  return Error(ErrorCode::corrupt, naming(key) + ": shorter than expected");
}

class FileStoreLock : public StoreLock {
 public:
  explicit FileStoreLock(os::Fd fd) : fd_(std::move(fd)) {}

 private:
  os::Fd fd_;  // Closing it gives the lock back.
};

Result<bool> probe_locks(int root_fd) {
  const os::Fd fd = TRY(os::open_at(root_fd, layout::lock_name, {}));
  const Result<bool> locked = os::try_lock_file(fd.get(), os::FileLock::shared);
  return locked.has_value();
}

// Holds nothing, or only what a killed create_root() may have left.
Result<bool> is_unused(int root_fd) {
  for (const os::DirectoryItem& item : TRY(os::list_directory_at(root_fd, "."))) {
    if (item.name != layout::temporary_folder && item.name != "lost+found") return false;
  }
  return true;
}

}  // namespace

PosixStore::PosixStore(std::string path, os::Fd root, bool has_locks)
    : path_(std::move(path)), root_(std::move(root)), has_locks_(has_locks), temporaries_(root_.get()) {}

Result<std::unique_ptr<PosixStore>> PosixStore::create_root(const std::string& path) {
  TRY_DO(os::make_directories(path, folder_mode).during("create store " + path));
  const os::Fd root = TRY(os::open(path, {.directory = true}));
  if (os::stat_at(root.get(), layout::lock_name)) return open(path);
  if (!TRY(is_unused(root.get()))) {
    return Error(ErrorCode::conflict, "create store " + path + ": the folder is not empty");
  }
  const Status made = os::make_directory_at(root.get(), layout::temporary_folder, folder_mode);
  if (!made && made.error().code() != ErrorCode::conflict) return made.error();
  TRY_DO(os::sync_directory(root.get()).during("create store " + path));
  // The lock file comes last, also on the disk: where it is, the store is complete.
  (void)TRY(os::open_at(root.get(), layout::lock_name,
                        {.access = os::Access::write, .create = true, .mode = object_mode}));
  TRY_DO(os::sync_directory(root.get()).during("create store " + path));
  return open(path);
}

Result<std::unique_ptr<PosixStore>> PosixStore::open(const std::string& path) {
  os::Fd root = TRY(os::open(path, {.directory = true}));
  const Result<bool> has_locks = probe_locks(root.get());
  if (!has_locks && has_locks.error().code() == ErrorCode::not_found) {
    return Error(ErrorCode::not_found, "open store " + path + ": the folder is not a store");
  }
  if (!has_locks) return Error(has_locks.error()).during("open store " + path);
  const auto later = os::stat_at(root.get(), layout::later_layout_name);
  if (later) return made_by_newer("store " + path);
  if (later.error().code() != ErrorCode::not_found) return Error(later.error()).during("open store " + path);
  return std::unique_ptr<PosixStore>(new PosixStore(path, std::move(root), *has_locks));
}

std::string PosixStore::describe() const { return path_; }

Capabilities PosixStore::capabilities() const { return {.atomic_create = true, .locks = has_locks_}; }

Status PosixStore::create(std::string_view key, std::span<const ByteView> parts) {
  TRY_DO(check_key(key));
  TRY_DO(expect_syncing(key));
  const std::string path = layout::path_of(key);
  TRY_DO(check_absent(key, path));
  return store(key, path, parts, Publish::new_name);
}

Status PosixStore::replace(std::string_view key, std::span<const ByteView> parts) {
  TRY_DO(check_key(key));
  TRY_DO(expect_syncing(key));
  return store(key, layout::path_of(key), parts, Publish::in_place);
}

Status PosixStore::expect_syncing(std::string_view key) const {
  if (!sync_failed_.load(std::memory_order_relaxed)) return {};
  return Error(ErrorCode::io, naming(key) + ": an earlier sync of " + path_ + " failed, nothing more is written")
      .with_hint("Check the disk, then start again.");
}

Status PosixStore::store(std::string_view key, const std::string& path, std::span<const ByteView> parts,
                         Publish how) {
  TRY_DO(prepare_folder(key, folder_of(path)).during(naming(key)));
  const std::string temporary = TRY(temporaries_.fresh_path().during(naming(key)));
  const os::Fd fd = TRY(os::open_at(
      root_.get(), temporary,
      {.access = os::Access::write, .create = true, .exclusive = true, .mode = object_mode}));
  Status written = write_parts(fd.get(), parts);
  if (written) written = os::sync_data(fd.get());
  if (written && how == Publish::in_place) written = os::rename_at(root_.get(), temporary, root_.get(), path);
  if (written && how == Publish::new_name) written = publish(key, path, temporary);
  if (!written) {
    // After a rename whose outcome is known to be good this name is gone already.
    os::unlink_at(root_.get(), temporary).ignore("the first failure is the one to report");
    return std::move(written).during("create " + naming(key));
  }
  return sync_folder(folder_of(path)).during("create " + naming(key));
}

// Saves writing what is there already, and finds keys that lie above others.
Status PosixStore::check_absent(std::string_view key, const std::string& path) {
  const Result<os::FileStat> found = os::stat_at(root_.get(), path);
  if (!found && found.error().code() == ErrorCode::not_found) return {};
  if (!found) return found.error();
  if (found->kind == os::FileKind::directory) return key_nesting(key);
  return conflict(key, path);
}

Status PosixStore::publish(std::string_view key, const std::string& path, const std::string& temporary) {
  const Status renamed = os::rename_new_at(root_.get(), temporary, root_.get(), path);
  if (renamed || renamed.error().code() != ErrorCode::conflict) return renamed;
  const Result<os::FileStat> found = os::stat_at(root_.get(), path);
  if (found && found->kind == os::FileKind::directory) return key_nesting(key);
  return conflict(key, path);
}

// Whoever is told that an object exists may rely on it as on one of its own, so its name is made durable here: its
// creator may have been killed between the rename and the sync.
Error PosixStore::conflict(std::string_view key, const std::string& path) {
  const Status synced = sync_folder(folder_of(path));
  if (!synced) return synced.error();
  return Error(ErrorCode::conflict, naming(key) + ": exists");
}

// Makes the folder and those above it. A folder that exists may be new and not yet durable, made by another process a
// moment ago, so the first time each is met its own folder is synced whoever made it.
Status PosixStore::prepare_folder(std::string_view key, const std::string& folder) {
  if (folder == ".") return {};
  {
    const MutexLock lock(mutex_);
    if (durable_folders_.contains(folder)) return {};
  }
  std::vector<std::string> fresh;
  for (size_t at = 0; at != std::string::npos;) {
    at = folder.find('/', at + 1);
    const std::string one = folder.substr(0, at);
    {
      const MutexLock lock(mutex_);
      if (durable_folders_.contains(one)) continue;
    }
    const Status made = os::make_directory_at(root_.get(), one, folder_mode);
    if (!made && made.error().code() != ErrorCode::conflict) return made;
    if (!made && TRY(os::stat_at(root_.get(), one)).kind != os::FileKind::directory) return key_nesting(key);
    fresh.push_back(one);
  }
  for (auto it = fresh.rbegin(); it != fresh.rend(); ++it) TRY_DO(sync_folder(folder_of(*it)));
  const MutexLock lock(mutex_);
  durable_folders_.insert(fresh.begin(), fresh.end());
  return {};
}

Status PosixStore::sync_folder(const std::string& folder) {
  const os::Fd fd = TRY(os::open_at(root_.get(), folder, {.directory = true}));
  const Status synced = os::sync_directory(fd.get());
  if (!synced) sync_failed_ = true;
  return synced;
}

Result<PosixStore::OpenObject> PosixStore::open_object(std::string_view key) {
  TRY_DO(check_key(key));
  // A FIFO put in the place of an object must not hold us up.
  Result<os::Fd> fd =
      os::open_at(root_.get(), layout::path_of(key), {.no_follow = true, .nonblocking = true});
  if (!fd && fd.error().code() == ErrorCode::not_found) return absent(key);
  if (!fd) return std::move(fd.error()).during(naming(key));
  const os::FileStat info = TRY(os::stat_fd(fd->get()));
  if (info.kind == os::FileKind::directory) return absent(key);
  if (info.kind != os::FileKind::file) return Error(ErrorCode::corrupt, naming(key) + ": not a file");
  return OpenObject{.fd = std::move(*fd), .size_bytes = info.size_bytes};
}

Result<Bytes> PosixStore::get(std::string_view key, std::optional<Range> range) {
  const OpenObject object = TRY(open_object(key));
  const Range wanted = range.value_or(Range{.offset_bytes = 0, .size_bytes = object.size_bytes});
  if (wanted.offset_bytes > object.size_bytes || wanted.size_bytes > object.size_bytes - wanted.offset_bytes) {
    return too_short(key);
  }
  Bytes bytes(wanted.size_bytes);
  const size_t n = TRY(read_range(object.fd.get(), wanted.offset_bytes, bytes).during(naming(key)));
  if (n < bytes.size()) return too_short(key);
  return bytes;
}

Status PosixStore::read(std::string_view key, uint64_t offset_bytes, MutableByteView out) {
  const OpenObject object = TRY(open_object(key));
  if (offset_bytes > object.size_bytes || out.size() > object.size_bytes - offset_bytes) return too_short(key);
  const size_t n = TRY(read_range(object.fd.get(), offset_bytes, out).during(naming(key)));
  if (n < out.size()) return too_short(key);
  return {};
}

Result<ObjectInfo> PosixStore::stat(std::string_view key) {
  TRY_DO(check_key(key));
  const Result<os::FileStat> found = os::stat_at(root_.get(), layout::path_of(key));
  if (!found && found.error().code() == ErrorCode::not_found) return absent(key);
  if (!found) return Error(found.error()).during(naming(key));
  if (found->kind == os::FileKind::directory) return absent(key);
  return ObjectInfo{.key = std::string(key), .size_bytes = found->size_bytes};
}

Status PosixStore::list(std::string_view prefix, std::string_view after,
                        const std::function<Status(const ObjectInfo&)>& visit) {
  return layout::list(root_.get(), prefix, after, visit);
}

Status PosixStore::remove(std::string_view key) {
  TRY_DO(check_key(key));
  const std::string path = layout::path_of(key);
  TRY_DO(stat(key));
  const Status removed = os::unlink_at(root_.get(), path);
  if (!removed && removed.error().code() == ErrorCode::not_found) return absent(key);
  TRY_DO(removed);
  return sync_folder(folder_of(path)).during("remove " + naming(key));
}

// The bytes were synced before the name was given, so the folder is all that is left.
Status PosixStore::settle(std::span<const std::string> keys) {
  if (sync_failed_.load(std::memory_order_relaxed)) {
    return Error(ErrorCode::io, "settle: an earlier sync of " + path_ + " failed");
  }
  std::set<std::string> folders;
  for (const std::string& key : keys) {
    TRY_DO(check_key(key));
    folders.insert(folder_of(layout::path_of(key)));
  }
  for (const std::string& folder : folders) {
    const Status synced = sync_folder(folder);
    const bool is_absent = !synced && synced.error().code() == ErrorCode::not_found;
    if (!synced && !is_absent) return Error(synced.error()).during("settle " + folder);
  }
  return {};
}

Result<std::unique_ptr<StoreLock>> PosixStore::try_lock(LockMode mode) {
  if (!has_locks_) return Error(ErrorCode::unsupported, "lock " + path_ + ": the file system has no locks");
  os::Fd fd = TRY(os::open_at(root_.get(), layout::lock_name, {}));
  const os::FileLock wanted = mode == LockMode::shared ? os::FileLock::shared : os::FileLock::exclusive;
  if (!TRY(os::try_lock_file(fd.get(), wanted))) {
    return Error(ErrorCode::busy, "lock " + path_ + ": held by another session");
  }
  return std::unique_ptr<StoreLock>(std::make_unique<FileStoreLock>(std::move(fd)));
}

}  // namespace holdfast::store
