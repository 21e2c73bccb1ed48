// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <stop_token>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "job/copy.h"
#include "job/observer.h"
#include "target/target.h"
#include "vault/vault.h"

namespace holdfast::job {

struct ExportReport {
  uint64_t entry_count = 0;
  uint64_t written_bytes = 0;
  std::vector<target::Problem> left_out;  // What the format cannot hold: sockets, objects that can be no files.
};

// Writes what lies at `path` in a point of a file tree, or a bucket's current objects as files (bucket_files.h), to
// `sink` as a POSIX tar archive with pax headers: long names, times to the nanosecond, extended attributes and ACLs
// (SCHILY.xattr), hard links as links, holes (GNU sparse 1.0).
// Names are relative to `path`, as a restore of POINT:PATH places them; a file alone bears its last component.
// `not_found`; `corrupt` if a content cannot be read: what was written so far is then no whole archive.
Result<ExportReport> export_tar(vault::Vault& vault, const vault::PointInfo& point, std::string_view path,
                                const std::function<Status(ByteView)>& sink, std::stop_token stop, Observer& observer);

// Makes a vault of its own in `empty`, opened by `credential` (a passphrase or private key), and copies the points into
// it: with a store that is one file, an export that any Holdfast restores without the vault it came from.
Result<CopyReport> export_archive(vault::Vault& vault, const std::vector<vault::PointInfo>& points,
                                  store::ObjectStore& empty, vault::Credential credential,
                                  const crypto::KdfParameters& kdf, const CopyRequest& request, Observer& observer);

}  // namespace holdfast::job
