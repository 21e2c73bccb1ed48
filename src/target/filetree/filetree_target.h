// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/bytes.h"
#include "base/result.h"
#include "target/target.h"

// Writes file trees back beneath a folder.
//
// Nothing outside the folder changes, whatever the point says and whatever stands in the folder or is put there while
// the restore runs: every name is one checked component beneath an open directory, symlinks are never followed, mounts
// are not crossed unless asked for, and a file with other names (hard links) is replaced, never written into.
//
// A restore that was killed can be run again. Small files get their time of modification last, so that a half-written
// one is not taken for done; large ones grow under the name ".holdfast-<hash>" beside their place and are renamed when
// whole; the next run goes on with what it finds there. After a power cut size and time prove nothing: while a restore
// is under way a mark (".holdfast-unfinished") stands in the folder, and the next run compares contents.
namespace holdfast::target {

// What to do about a file that is there already.
enum class Overwrite : uint8_t {
  if_changed,  // Kept if size and time of modification are equal; else what differs is written.
  always,      // Written anew.
  if_newer,    // Kept unless the point's file was modified later.
  never,       // Kept. Only its absence is mended.
};

enum class Owners : uint8_t {
  by_name,    // The name's number on this machine, else the recorded number.
  by_number,
  none,       // All belongs to whoever restores.
};

enum class SyncMode : uint8_t {
  none,
  data,  // finish() returns after everything reached the disk.
};

struct FileTreeTargetOptions {
  std::string directory;  // Made if missing, with its parents.
  // Key of a folder in the point: what lies beneath it goes into `directory`, its own metadata onto `directory`. Keys
  // elsewhere are left out. Of anything but a folder: it goes into `directory` under its own name. Without a prefix
  // the root entry (key "") is not applied to `directory`.
  std::optional<Bytes> strip_prefix;
  Overwrite overwrite = Overwrite::if_changed;
  // finish() and place() remove what is in restored folders but not in the point; `may_delete` (null: all) is asked
  // with the key such a name would have. Without it, a folder that is not empty never gives way to a file.
  bool delete_extra = false;
  std::function<bool(ByteView key)> may_delete;
  // Told the key of each name that was removed so, or in a dry run would be. On the thread that calls place() and
  // finish().
  std::function<void(ByteView key)> removed;
  // Nothing changes; place() answers as it would, its writers drop what they are given.
  bool dry_run = false;
  bool cross_mounts = false;
  std::string boot_id;  // What tells one life of the machine from the next; empty: the kernel knows.
  SyncMode sync = SyncMode::none;
  // With SyncMode::data: after so many bytes a sync is begun beside the writing. 0: only at the end.
  uint64_t early_sync_size_bytes = 256 << 20;

  // Metadata that can harm whoever restores the tree of a stranger. Unset means: yes if root restores into a folder
  // that root owns, else the value named here.
  std::optional<Owners> owners;              // none
  std::optional<bool> setuid;                // no; setuid and setgid bits, of directories too
  std::optional<bool> devices;               // no
  std::optional<bool> sockets;               // no
  std::optional<bool> fifos;                 // yes
  std::optional<bool> acls;                  // yes
  std::optional<bool> user_xattrs;           // yes
  std::optional<bool> system_xattrs;         // no; security.*, trusted.* and whatever is no user attribute or ACL
  std::optional<bool> flags;                 // no; immutable and append-only
};

// Problems are recorded one an entry, except what was left off many entries on purpose or for want of privilege
// (owners, setuid, attributes): one problem a kind, with the number of entries and the first name. An error of place(),
// of a writer or of finish() with code `no_space`, and any on a file system that became read-only, ends the run: every
// later call gives it again. Other errors of a writer concern its entry alone and are the caller's to record.
class FileTreeTarget {
 public:
  // Makes the folder (not with dry_run). `invalid` for options that contradict each other, `denied` and others from
  // the system.
  static Result<std::unique_ptr<Target>> open(const FileTreeTargetOptions& options);
};

}  // namespace holdfast::target
