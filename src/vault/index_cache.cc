// SPDX-License-Identifier: Apache-2.0
#include "vault/index_cache.h"

#include <fmt/format.h>

#include <algorithm>

#include "os/file.h"
#include "os/random.h"
#include "vault/index_merge.h"

namespace holdfast::vault {

namespace {

constexpr mode_t private_folder_mode = 0700;
constexpr mode_t private_file_mode = 0600;
constexpr std::string_view table_suffix = ".table";
constexpr std::string_view lock_name = "lock";
// By this other backup programs know a folder that need not be kept.
constexpr std::string_view cache_tag_name = "CACHEDIR.TAG";
constexpr std::string_view cache_tag =
    "Signature: 8a477f597d28d172789f06886806bc55\n"
    "# What Holdfast keeps here it can make again. Delete it whenever you like.\n";

void remove_file(const std::string& path) {
  os::unlink_at(os::at_cwd, path).ignore("a leftover of the cache costs space only, and the next run tries again");
}

}  // namespace

IndexCache::IndexCache(LocalFolders folders, TableOwner owner, Rng& rng)
    : folders_(std::move(folders)), owner_(owner), rng_(rng) {
  if (folders_.cache.empty()) return;
  folder_ = fmt::format("{}/index/{}/{:08x}", folders_.cache, to_hex(owner_.vault), owner_.keys.domain);
}

std::optional<os::Fd> IndexCache::lock() {
  if (folder_.empty()) return std::nullopt;
  auto fd = os::open(fmt::format("{}/{}", folder_, lock_name),
                     {.access = os::Access::read_write, .create = true, .mode = private_file_mode});
  if (!fd) return std::nullopt;
  const auto locked = os::try_lock_file(fd->get(), os::FileLock::exclusive);
  if (!locked || !*locked) return std::nullopt;
  return std::move(*fd);
}

std::vector<IndexCache::Found> IndexCache::find(bool may_clear) {
  std::vector<Found> all;
  const auto items = os::list_directory_at(os::at_cwd, folder_);
  if (!items) return all;
  for (const os::DirectoryItem& item : *items) {
    const std::string path = folder_ + "/" + item.name;
    if (!item.name.ends_with(table_suffix)) {
      // Half-written tables of a run that was killed: whoever writes holds the lock, and that is us.
      if (may_clear && item.name != lock_name && item.kind == os::FileKind::file) remove_file(path);
      continue;
    }
    auto file = os::MappedFile::open(path);
    if (!file) continue;
    auto table = open_table_file(std::move(*file), owner_);
    if (table) {
      all.push_back({path, std::move(*table)});
    } else if (may_clear) {
      remove_file(path);
    }
  }
  return all;
}

std::vector<TablePtr> IndexCache::open() {
  if (folder_.empty()) return {};
  const std::optional<os::Fd> locked = lock();
  std::vector<Found> all = find(locked.has_value());
  // Two processes may have merged the same tables: of what overlaps the larger stays.
  std::sort(all.begin(), all.end(), [](const Found& a, const Found& b) {
    const uint64_t a_count = a.table->entry_count(), b_count = b.table->entry_count();
    return a_count != b_count ? a_count > b_count : a.path < b.path;
  });
  std::set<ObjectId> held;
  std::vector<TablePtr> tables;
  for (const Found& found : all) {
    const auto& segments = found.table->segments();
    const bool is_double =
        std::any_of(segments.begin(), segments.end(), [&](const auto& segment) { return held.contains(segment.id); });
    if (is_double) {
      if (locked) remove_file(found.path);
      continue;
    }
    for (const TableSegment& segment : segments) held.insert(segment.id);
    paths_[found.table.get()] = found.path;
    tables.push_back(found.table);
  }
  return tables;
}

Status IndexCache::make_folder() {
  TRY_DO(os::make_directories(folder_, private_folder_mode));
  const std::string tag = fmt::format("{}/{}", folders_.cache, cache_tag_name);
  if (os::stat_at(os::at_cwd, tag)) return {};
  os::write_durably(tag, as_bytes(cache_tag), private_file_mode, os::Existing::keep)
      .ignore("without the tag the cache is backed up in vain, no more");
  return {};
}

Result<TablePtr> IndexCache::merge_in(const std::string& folder, std::span<const TablePtr> tables,
                                      const std::set<ObjectId>& without, Keep keep) {
  if (keep == Keep::for_this_run) {
    auto file = TRY(os::SealedFileWriter::create_unnamed(folder));
    return merge_tables(tables, without, std::move(file), folder, owner_, rng_);
  }
  const std::string path = fmt::format("{}/{}{}", folder, os::random_name(), table_suffix);
  auto file = TRY(os::SealedFileWriter::create(path));
  TablePtr table = TRY(merge_tables(tables, without, std::move(file), folder, owner_, rng_));
  paths_[table.get()] = path;
  return table;
}

Result<TablePtr> IndexCache::merge(std::span<const TablePtr> tables, const std::set<ObjectId>& without, Keep keep) {
  std::optional<Error> error;
  if (!folder_.empty() && make_folder()) {
    const std::optional<os::Fd> locked = keep == Keep::between_runs ? lock() : std::nullopt;
    auto merged = merge_in(folder_, tables, without, locked ? Keep::between_runs : Keep::for_this_run);
    if (merged) return merged;
    error = std::move(merged.error());
  }
  if (!folders_.temporary.empty()) return merge_in(folders_.temporary, tables, without, Keep::for_this_run);
  if (error) return *std::move(error);
  return Error(ErrorCode::unsupported, "no folder for index tables");
}

void IndexCache::drop(std::span<const TablePtr> tables) {
  for (const TablePtr& table : tables) {
    const auto path = paths_.find(table.get());
    if (path == paths_.end()) continue;
    remove_file(path->second);
    paths_.erase(path);
  }
}

}  // namespace holdfast::vault
