// SPDX-License-Identifier: Apache-2.0
#include "mount/mount.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <memory>
#include <stop_token>
#include <thread>

#include "mount/file_system.h"
#include "mount/fuse_operations.h"
#include "os/file.h"

namespace holdfast::mount {

namespace {

constexpr unsigned worker_count_min = 2;  // So that a slow read does not hold up a listing.
constexpr unsigned worker_count_max = 8;

struct Session {
  ~Session() {
    if (mounted) fuse_session_unmount(session);
    if (session != nullptr) fuse_session_destroy(session);
  }
  fuse_session* session = nullptr;
  bool mounted = false;
};

std::string options_of(const MountRequest& request) {
  std::string options = "ro,fsname=holdfast,subtype=holdfast";
  // Alone, the user who mounts sees everything, whoever owned it where it was backed up; others see what modes allow.
  if (request.allow_other) options += ",allow_other,default_permissions";
  return options;
}

Status mount(Session& session, const MountRequest& request, FileSystem& system) {
  std::string program = "holdfast", flag = "-o", options = options_of(request);
  char* words[] = {program.data(), flag.data(), options.data(), nullptr};
  fuse_args arguments{.argc = 3, .argv = words, .allocated = 0};
  session.session = fuse_session_new(&arguments, &fuse_operations(), sizeof(fuse_lowlevel_ops), &system);
  fuse_opt_free_args(&arguments);
  if (session.session == nullptr) return Error(ErrorCode::unsupported, "libfuse would not begin a session");
  if (fuse_session_mount(session.session, request.directory.c_str()) != 0) {
    return Error(ErrorCode::unsupported, "mount at " + request.directory + " failed")
        .with_hint("Mounting needs /dev/fuse, and fusermount3 (package fuse3) unless you are root.");
  }
  session.mounted = true;
  return {};
}

// One worker: takes requests and answers them until the session is over.
void serve(fuse_session* session, const std::atomic<bool>& stopping) {
  fuse_buf buffer{};
  while (!stopping && fuse_session_exited(session) == 0) {
    const int size = fuse_session_receive_buf(session, &buffer);
    if (size == -EINTR) continue;
    if (size <= 0) break;
    fuse_session_process_buf(session, &buffer);
  }
  std::free(buffer.mem);  // libfuse allocated it.
}

}  // namespace

Status run_mount(vault::Vault& vault, const MountRequest& request) {
  const os::FileStat place = TRY(os::stat_at(os::at_cwd, request.directory));
  if (place.kind != os::FileKind::directory) {
    return Error(ErrorCode::invalid, request.directory + ": not a folder").with_hint("Mount onto an empty folder.");
  }
  const auto system = TRY(FileSystem::open(vault, request.points, request.latest, request.cache_size_bytes));
  std::atomic<bool> stopping = false;
  const unsigned processors = std::clamp(std::thread::hardware_concurrency(), worker_count_min, worker_count_max);
  const unsigned worker_count = request.worker_count == 0 ? processors : request.worker_count;
  // Workers sleep in the kernel until a request comes. A stop therefore makes one for each: whoever takes it goes home.
  // The last requests may find nobody; they end when the session does, which is why their thread outlives it.
  std::jthread waker;
  const auto wake_all = [&] {
    stopping = true;
    waker = std::jthread([&] {
      for (unsigned count = 0; count < worker_count; ++count) {
        os::file_system_space(request.directory).ignore("asked only to wake a worker");
      }
    });
  };
  Session session;
  TRY_DO(mount(session, request, *system));
  std::vector<std::jthread> workers;
  for (unsigned count = 0; count < worker_count; ++count) {
    workers.emplace_back([&] { serve(session.session, stopping); });
  }
  if (request.mounted) request.mounted();
  const std::stop_callback on_stop(request.stop, wake_all);
  workers.clear();
  return {};
}

}  // namespace holdfast::mount
