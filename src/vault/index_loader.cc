// SPDX-License-Identifier: Apache-2.0
#include "vault/index_loader.h"

#include <algorithm>

#include "vault/index_homes.h"
#include "vault/vault.h"

namespace holdfast::vault {

namespace {

// What lies in memory is a part of the process's budget; reading one segment takes about as much again, three times.
constexpr uint64_t memory_bytes_max = 32 << 20;
// Beyond that a store that lists what it does not have is taken at its word.
constexpr int list_attempts_max = 8;
// So little is read anew by each run sooner than written to a file.
constexpr uint64_t unfiled_entry_count_max = 16'384;
constexpr size_t unfiled_table_count_max = 8;
// One merge takes in so many tables at most; while segments are loaded, no more files are left lying.
constexpr size_t merge_table_count_max = 64;
constexpr uint64_t apart_in_memory_bytes_max = 32 << 10;

}  // namespace

IndexLoader::IndexLoader(store::ObjectStore& store, const Keyring& keyring, const DomainKeys& keys, Index& index,
                         Rng& rng, LocalFolders folders)
    : store_(store),
      keyring_(keyring),
      keys_(keys),
      index_(index),
      cache_(std::move(folders), TableOwner{.vault = keyring.vault_id(), .keys = keys}, rng) {}

Status IndexLoader::load() { return load(store::Overview(store_)); }

Status IndexLoader::load(const store::Overview& seen) {
  const MutexLock lock(mutex_);
  TRY_DO(load_new(seen));
  loaded_once_.store(true, std::memory_order_release);
  return {};
}

Status IndexLoader::load_once() {
  if (loaded_once_.load(std::memory_order_acquire)) return {};
  const MutexLock lock(mutex_);
  if (loaded_once_.load(std::memory_order_acquire)) return {};
  TRY_DO(load_new(store::Overview(store_)));
  loaded_once_.store(true, std::memory_order_release);
  return {};
}

Status IndexLoader::reload_apart() {
  const MutexLock lock(mutex_);
  index_.clear();
  loaded_.clear();
  damage_.clear();
  memory_tables_.clear();
  memory_bytes_ = 0;
  file_tables_.clear();
  is_apart_ = true;
  has_opened_cache_ = true;  // Never to be asked.
  TRY_DO(load_new(store::Overview(store_)));
  loaded_once_.store(true, std::memory_order_release);
  return {};
}

void IndexLoader::add_own(TablePtr table) {
  const MutexLock lock(mutex_);
  loaded_.insert(table->segment());
  take(std::move(table));
  // Here its entries are at hand; the next run would have to read them from the store first.
  file_memory_tables();
}

std::vector<IndexDamage> IndexLoader::damage() {
  const MutexLock lock(mutex_);
  return damage_;
}

// A collector may merge segments away between the list and the reading; what they held is in one that is listed next.
Status IndexLoader::load_new(const store::Overview& seen) {
  if (!check_tables(index_)) {
    // The disk cannot read a table's file any more: all is read from the store again.
    cache_.drop(file_tables_);
    file_tables_.clear();
    memory_tables_.clear();
    memory_bytes_ = 0;
    loaded_.clear();
    damage_.clear();
    index_.clear();
  }
  bool is_whole = TRY(load_listed(seen));
  const store::Overview anew(store_);
  for (int attempt = 1; attempt < list_attempts_max && !is_whole; ++attempt) is_whole = TRY(load_listed(anew));
  file_memory_tables();
  return {};
}

// Puts what the next run would have to read anew into a file, if that is worth one.
void IndexLoader::file_memory_tables() {
  if (is_apart_) return;
  uint64_t entry_count = 0;
  for (const TablePtr& table : memory_tables_) entry_count += table->entry_count();
  if (entry_count > unfiled_entry_count_max || memory_tables_.size() > unfiled_table_count_max) fold();
  compact(count_to_merge());
}

// Whether all that was listed was there.
Result<bool> IndexLoader::load_listed(const store::Overview& seen) {
  std::map<ObjectId, std::string> stored;
  forget_unread();
  TRY_DO(seen.list(segment_prefix(keys_.domain), "", [&](const store::ObjectInfo& object) -> Status {
    if (const auto name = parse_object_key(object.key)) stored.emplace(name->id, object.key);
    return {};
  }));
  if (!has_opened_cache_) {
    open_cache(stored);
    has_opened_cache_ = true;
  }
  bool is_whole = true;
  for (const auto& [id, key] : stored) {
    if (!loaded_.contains(id) && !TRY(load_segment(key))) is_whole = false;
  }
  return is_whole;
}

// One that another stores just now on several devices looks as one does of which too little is left, so it is tried
// again each time.
void IndexLoader::forget_unread() {
  std::vector<IndexDamage> kept;
  for (IndexDamage& damage : damage_) {
    if (loaded_.contains(parse_object_key(damage.key)->id)) kept.push_back(std::move(damage));
  }
  damage_ = std::move(kept);
}

Result<bool> IndexLoader::load_segment(const std::string& key) {
  const ParsedKey name = *parse_object_key(key);
  TablePtr table;
  {
    auto object = store_.get(key, std::nullopt);
    if (!object && object.error().code() == ErrorCode::not_found) return false;
    if (!object && object.error().code() == ErrorCode::corrupt) {
      damage_.push_back({key, std::move(object.error())});
      return true;
    }
    TRY_DO(object);
    loaded_.insert(name.id);
    auto opened = open_index_table(keyring_, keys_, name, *object);
    if (!opened) {
      damage_.push_back({key, std::move(opened.error())});
      return true;
    }
    table = std::move(*opened);
  }
  take(std::move(table));
  return true;
}

// A segment that is gone from the store was merged or collected: what it said may be wrong by now, and what stands in
// other segments must show again. So no entry of it is kept.
void IndexLoader::open_cache(const std::map<ObjectId, std::string>& stored) {
  std::vector<TablePtr> torn;
  std::set<ObjectId> gone;
  bool is_any_left = false;
  for (TablePtr& table : cache_.open()) {
    bool is_torn = false, is_empty = true;
    for (const TableSegment& segment : table->segments()) {
      const bool is_gone = !stored.contains(segment.id);
      if (is_gone) gone.insert(segment.id);
      is_torn |= is_gone;
      is_empty &= is_gone;
    }
    is_any_left |= is_torn && !is_empty;
    if (is_torn) {
      torn.push_back(std::move(table));
    } else {
      use_file_table(std::move(table));
    }
  }
  if (is_any_left) {
    // Without it the segments are read anew.
    auto mended = cache_.merge(torn, gone, IndexCache::Keep::between_runs);
    if (mended) use_file_table(*std::move(mended));
  }
  cache_.drop(torn);
}

void IndexLoader::use_file_table(TablePtr table) {
  for (const TableSegment& segment : table->segments()) loaded_.insert(segment.id);
  index_.add(table);
  file_tables_.push_back(std::move(table));
}

void IndexLoader::take(TablePtr table) {
  memory_bytes_ += table->memory_bytes();
  index_.add(table);
  memory_tables_.push_back(std::move(table));
  if (memory_bytes_ < memory_bytes_max) return;
  if (is_apart_) {
    set_apart();
    return;
  }
  fold();
  if (file_tables_.size() >= merge_table_count_max) compact(file_tables_.size());
  // A session that goes on for long leaves no tail of tables behind either.
  if (loaded_once_) compact(count_to_merge());
}

// Puts what lies in memory into one table in a file.
void IndexLoader::fold() {
  if (memory_tables_.empty() || !can_write_) return;
  auto folded = cache_.merge(memory_tables_, {}, IndexCache::Keep::between_runs);
  if (!folded) {
    can_write_ = false;  // A full disk is no reason to fail while memory lasts.
    return;
  }
  index_.replace(memory_tables_, *folded);
  memory_tables_.clear();
  memory_bytes_ = 0;
  file_tables_.push_back(*std::move(folded));
}

// The same without merging: each of the larger ones goes into a file of its own.
void IndexLoader::set_apart() {
  for (auto table = memory_tables_.begin(); table != memory_tables_.end() && can_write_;) {
    if ((*table)->memory_bytes() < apart_in_memory_bytes_max) {
      ++table;
      continue;
    }
    const std::span<const TablePtr> one(&*table, 1);
    auto filed = cache_.merge(one, {}, IndexCache::Keep::for_this_run);
    if (!filed) {
      can_write_ = false;
      return;
    }
    memory_bytes_ -= (*table)->memory_bytes();
    index_.replace(one, *std::move(filed));
    table = memory_tables_.erase(table);
  }
}

// How many of the smallest tables are worth putting together: each that is not more than twice all smaller ones. What
// stays grows threefold from one to the next, so a look-up asks few tables and an entry is rewritten few times.
size_t IndexLoader::count_to_merge() {
  if (file_tables_.size() < 2) return 0;
  std::sort(file_tables_.begin(), file_tables_.end(),
            [](const TablePtr& a, const TablePtr& b) { return a->entry_count() < b->entry_count(); });
  uint64_t sum = file_tables_.front()->entry_count();
  size_t count = 1;
  while (count < file_tables_.size() && file_tables_[count]->entry_count() <= 2 * sum) {
    sum += file_tables_[count++]->entry_count();
  }
  return count;
}

void IndexLoader::compact(size_t count) {
  if (count < 2 || !can_write_) return;
  const std::vector<TablePtr> old(file_tables_.begin(), file_tables_.begin() + static_cast<ptrdiff_t>(count));
  auto merged = cache_.merge(old, {}, IndexCache::Keep::between_runs);
  if (!merged) return;  // Slower look-ups, no more.
  index_.replace(old, *merged);
  cache_.drop(old);
  file_tables_.erase(file_tables_.begin(), file_tables_.begin() + static_cast<ptrdiff_t>(count));
  file_tables_.push_back(*std::move(merged));
}

}  // namespace holdfast::vault
