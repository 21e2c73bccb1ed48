// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/seams.h"
#include "os/fd.h"
#include "vault/index_table_file.h"

namespace holdfast::vault {

// Folders of this machine for what can be made again; empty: none. Both may be deleted at any time.
struct LocalFolders {
  std::string cache;      // The program's own, kept between runs.
  std::string temporary;  // For nameless files where the cache cannot be written.
};

// Index tables of one domain on this machine: files in `<cache>/index/<vault>/<domain>/`, one a table, named at random
// and made whole at once. Several processes may use one folder: who writes or clears up holds its lock for so long, the
// others go on with nameless files. Whatever happens to the folder costs time only. Thread-compatible.
class IndexCache {
 public:
  // `owner` and `rng` outlive it. Touches nothing yet.
  IndexCache(LocalFolders folders, TableOwner owner, Rng& rng);

  // The tables that earlier runs left: authentic, and no two of them hold the same segment. What is damaged, foreign
  // or double is removed. An unreadable folder holds none.
  std::vector<TablePtr> open();

  enum class Keep { between_runs, for_this_run };
  // All entries of `tables` but those of the segments `without` in one new table, in a file. An error means that
  // neither folder can be written.
  Result<TablePtr> merge(std::span<const TablePtr> tables, const std::set<ObjectId>& without, Keep keep);

  // Removes the files of tables that are not needed any more; as tables they stay usable.
  void drop(std::span<const TablePtr> tables);

 private:
  struct Found {
    std::string path;
    TablePtr table;
  };
  // Nothing if another process holds it, or if there is no such folder.
  std::optional<os::Fd> lock();
  std::vector<Found> find(bool may_clear);
  Status make_folder();
  Result<TablePtr> merge_in(const std::string& folder, std::span<const TablePtr> tables,
                            const std::set<ObjectId>& without, Keep keep);

  const LocalFolders folders_;
  const TableOwner owner_;
  Rng& rng_;
  std::string folder_;  // Empty: no cache.
  std::map<const IndexTable*, std::string> paths_;
};

}  // namespace holdfast::vault
