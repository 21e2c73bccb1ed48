// SPDX-License-Identifier: Apache-2.0
#include "vault/index_loader.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "os/file.h"
#include "os/memory.h"
#include "os/testing.h"
#include "store/decorator.h"
#include "store/mem/mem_store.h"
#include "store/posix/posix_store.h"
#include "vault/index_homes.h"
#include "vault/index_testing.h"
#include "vault/session.h"
#include "vault/testing.h"

namespace holdfast::vault {
namespace {

// Counts what is read of a store that outlives it, and how much memory is in use while it is.
class WatchedStore final : public store::ObjectStore {
 public:
  explicit WatchedStore(store::ObjectStore& inner) : inner_(inner) {}
  std::string describe() const override { return inner_.describe(); }
  store::Capabilities capabilities() const override { return inner_.capabilities(); }
  Status create(std::string_view key, std::span<const ByteView> parts) override { return inner_.create(key, parts); }
  Result<Bytes> get(std::string_view key, std::optional<store::Range> range) override {
    if (key.starts_with("index/")) ++segments_read;
    anonymous_bytes_peak = std::max(anonymous_bytes_peak, os::memory_usage()->anonymous_bytes);
    return inner_.get(key, range);
  }
  Status read(std::string_view key, uint64_t offset_bytes, MutableByteView out) override {
    return inner_.read(key, offset_bytes, out);
  }
  Result<store::ObjectInfo> stat(std::string_view key) override { return inner_.stat(key); }
  Status list(std::string_view prefix, std::string_view after,
              const std::function<Status(const store::ObjectInfo&)>& visit) override {
    return inner_.list(prefix, after, visit);
  }
  Status remove(std::string_view key) override { return inner_.remove(key); }
  Result<std::unique_ptr<store::StoreLock>> try_lock(store::LockMode mode) override { return inner_.try_lock(mode); }

  size_t segments_read = 0;
  uint64_t anonymous_bytes_peak = 0;

 private:
  store::ObjectStore& inner_;
};

class IndexLoaderTest : public ::testing::Test {
 protected:
  IndexLoaderTest() : rng_(31), made_(make_test_vault(store_, rng_, clock_)) {}
  // A new process, with the cache or without.
  struct Process {
    std::unique_ptr<WatchedStore> store;
    std::unique_ptr<Vault> vault;
    Vault::Domain& domain() const { return **vault->home(); }
    Index& index() const { return domain().index(); }
  };
  Process open(LocalFolders folders, store::ObjectStore& store) {
    Process process;
    process.store = std::make_unique<WatchedStore>(store);
    process.vault = std::make_unique<Vault>(*process.store, open_test_vault(store_, made_.credential()), LocalState{},
                                            rng_, clock_);
    process.vault->use_local_folders(std::move(folders));
    return process;
  }
  Process open(LocalFolders folders) { return open(std::move(folders), store_); }
  LocalFolders cached() const { return {.cache = folder_.path("cache"), .temporary = {}}; }
  Process load(LocalFolders folders) {
    Process process = open(std::move(folders));
    EXPECT_TRUE(process.domain().load_index());
    return process;
  }
  std::string add_segment(uint64_t first, uint32_t count, uint64_t order) {
    const Process writer = open({});
    return store_segment(*writer.vault, writer.domain(), synthetic_segment(first, count, order));
  }
  std::vector<std::string> cache_files() const {
    std::vector<std::string> files;
    if (!std::filesystem::exists(folder_.path("cache"))) return files;
    for (const auto& item : std::filesystem::recursive_directory_iterator(folder_.path("cache"))) {
      if (item.path().extension() == ".table") files.push_back(item.path().string());
    }
    return files;
  }
  static void expect_knows(const Index& index, uint64_t first, uint64_t end) {
    for (uint64_t number = first; number < end; number += 1 + (end - first) / 500) {
      const auto chunk = index.find_chunk(synthetic_chunk(number));
      ASSERT_TRUE(chunk.has_value()) << number;
      EXPECT_EQ(chunk->plain_size_bytes, 120'000 + number % 1000);
      const auto piece = index.find_piece(synthetic_piece(number));
      ASSERT_TRUE(piece.has_value()) << number;
      EXPECT_EQ(piece->plain_size_bytes, 120'000 + number % 1000);
      EXPECT_TRUE(piece->is_bundle_of_piece);
      EXPECT_FALSE(index.find_chunk(synthetic_piece(number)).has_value());
    }
  }
  static void expect_lacks(const Index& index, uint64_t first, uint64_t end) {
    for (uint64_t number = first; number < end; number += 1 + (end - first) / 500) {
      ASSERT_FALSE(index.find_chunk(synthetic_chunk(number)).has_value()) << number;
      ASSERT_FALSE(index.find_piece(synthetic_piece(number)).has_value()) << number;
    }
  }

  store::MemStore store_;
  crypto::SeededRng rng_;
  StillClock clock_;
  TestVault made_;
  os::TemporaryFolder folder_;
};

TEST_F(IndexLoaderTest, what_an_earlier_run_kept_is_not_read_again) {
  for (uint64_t segment = 0; segment < 5; ++segment) add_segment(segment * 20'000, 20'000, segment + 1);
  const Process first = load(cached());
  EXPECT_EQ(first.store->segments_read, 5u);
  expect_knows(first.index(), 0, 100'000);
  EXPECT_EQ(first.index().tables().size(), 1u);
  const Process second = load(cached());
  EXPECT_EQ(second.store->segments_read, 0u);
  expect_knows(second.index(), 0, 100'000);
  expect_lacks(second.index(), 100'000, 110'000);
  add_segment(100'000, 20'000, 6);
  const Process third = load(cached());
  EXPECT_EQ(third.store->segments_read, 1u);
  expect_knows(third.index(), 0, 120'000);
  ASSERT_TRUE(third.domain().load_index());
  EXPECT_EQ(third.store->segments_read, 1u);
}

// As on a disk that fails: the file behind a table in use cannot be read any more.
TEST_F(IndexLoaderTest, a_table_that_the_disk_cannot_read_is_told_and_made_anew_from_the_store) {
  for (uint64_t segment = 0; segment < 2; ++segment) add_segment(segment * 20'000, 20'000, segment + 1);
  (void)load(cached());
  const Process process = load(cached());
  ASSERT_EQ(process.store->segments_read, 0u);
  ASSERT_TRUE(check_tables(process.index()));
  ASSERT_EQ(cache_files().size(), 1u);
  std::filesystem::resize_file(cache_files().front(), 4096);
  size_t missed = 0;
  for (uint64_t number = 0; number < 40'000; number += 100) {
    missed += process.index().find_chunk(synthetic_chunk(number)) ? 0 : 1;
  }
  EXPECT_GT(missed, 0u);
  const Status told = check_tables(process.index());
  ASSERT_FALSE(told);
  EXPECT_EQ(told.error().code(), ErrorCode::io);
  ASSERT_TRUE(process.domain().load_index());
  EXPECT_TRUE(check_tables(process.index()));
  EXPECT_EQ(process.store->segments_read, 2u);
  expect_knows(process.index(), 0, 40'000);
  EXPECT_EQ(load(cached()).store->segments_read, 0u) << "the new table took the place of the bad one";
}

TEST_F(IndexLoaderTest, a_merge_of_tables_that_cannot_be_read_makes_none) {
  add_segment(0, 20'000, 1);
  (void)load(cached());
  const Process process = load(cached());
  std::filesystem::resize_file(cache_files().front(), 4096);
  (void)process.index().find_chunk(synthetic_chunk(7));
  IndexCache cache(cached(), {.vault = process.vault->keyring().vault_id(), .keys = process.domain().keys()}, rng_);
  const auto merged = cache.merge(process.index().tables(), {}, IndexCache::Keep::for_this_run);
  ASSERT_FALSE(merged.has_value());
  EXPECT_EQ(merged.error().code(), ErrorCode::io);
}

TEST_F(IndexLoaderTest, many_small_segments_become_one_table) {
  for (uint64_t segment = 0; segment < 300; ++segment) add_segment(segment * 10, 10, segment + 1);
  const Process first = load(cached());
  EXPECT_EQ(first.index().tables().size(), 1u);
  expect_knows(first.index(), 0, 3'000);
  EXPECT_EQ(load(cached()).store->segments_read, 0u);
}

// The table of an earlier run speaks of a segment that was collected since: its places may be gone.
TEST_F(IndexLoaderTest, what_a_segment_said_is_forgotten_with_it) {
  add_segment(0, 20'000, 1);
  const std::string collected = add_segment(10'000, 20'000, 2);
  (void)load(cached());
  const ObjectId gone = parse_object_key(collected)->id;
  ASSERT_TRUE(store_.remove(collected));
  const Process later = load(cached());
  EXPECT_EQ(later.store->segments_read, 0u) << "the rest of the table is still good";
  expect_knows(later.index(), 0, 20'000);
  expect_lacks(later.index(), 20'000, 30'000);
  for (const TablePtr& table : later.index().tables()) {
    for (const TableSegment& segment : table->segments()) EXPECT_NE(segment.id, gone);
  }
  // Where both knew an id, its older home shows again.
  const auto chunk = later.index().find_chunk(synthetic_chunk(15'000));
  ASSERT_TRUE(chunk.has_value());
  EXPECT_EQ(chunk->offset_bytes, 176u + 15'000u % 512 * 60'000);
}

TEST_F(IndexLoaderTest, a_cache_of_another_time_counts_only_as_far_as_its_segments_are_still_there) {
  const std::string collected = add_segment(0, 20'000, 1);
  (void)load(cached());
  std::filesystem::copy(folder_.path("cache"), folder_.path("old"), std::filesystem::copy_options::recursive);
  ASSERT_TRUE(store_.remove(collected));
  add_segment(50'000, 20'000, 2);
  (void)load(cached());
  std::filesystem::remove_all(folder_.path("cache"));
  std::filesystem::rename(folder_.path("old"), folder_.path("cache"));
  const Process later = load(cached());
  expect_lacks(later.index(), 0, 20'000);
  expect_knows(later.index(), 50'000, 70'000);
}

TEST_F(IndexLoaderTest, a_damaged_cache_is_made_again) {
  add_segment(0, 20'000, 1);
  (void)load(cached());
  ASSERT_EQ(cache_files().size(), 1u);
  Bytes bytes = os::read_file(cache_files()[0], 1 << 28).value();
  bytes[bytes.size() / 2] ^= std::byte{1};
  ASSERT_TRUE(os::write_durably(cache_files()[0], bytes, 0600, os::Existing::replace));
  const Process later = load(cached());
  EXPECT_EQ(later.store->segments_read, 1u);
  expect_knows(later.index(), 0, 20'000);
  EXPECT_EQ(load(cached()).store->segments_read, 0u);
}

TEST_F(IndexLoaderTest, works_without_any_folder_to_write_to) {
  add_segment(0, 30'000, 1);
  add_segment(30'000, 30'000, 2);
  const Process nowhere = load({.cache = "/dev/null/cache", .temporary = "/dev/null"});
  expect_knows(nowhere.index(), 0, 60'000);
  const Process nameless = load({.cache = "/dev/null/cache", .temporary = folder_.path()});
  expect_knows(nameless.index(), 0, 60'000);
  EXPECT_EQ(os::list_directory_at(os::at_cwd, folder_.path())->size(), 0u);
}

// Every write of the cache fails in turn: the index is whole all the same.
TEST_F(IndexLoaderTest, a_cache_that_cannot_be_written_costs_nothing_but_time) {
  struct Failing final : os::MutationObserver {
    int before(const os::MutationEvent&) override { return ++count == fail_at ? ENOSPC : 0; }
    int count = 0, fail_at = 0;
  };
  add_segment(0, 20'000, 1);
  add_segment(20'000, 20'000, 2);
  for (int fail_at = 1;; ++fail_at) {
    std::filesystem::remove_all(folder_.path("cache"));
    Failing failing;
    failing.fail_at = fail_at;
    {
      const os::ObservedScope scope(failing);
      const Process process = load(cached());
      expect_knows(process.index(), 0, 40'000);
    }
    expect_knows(load(cached()).index(), 0, 40'000);
    if (failing.count < fail_at) break;
    ASSERT_LT(fail_at, 1'000);
  }
}

TEST_F(IndexLoaderTest, a_damaged_segment_is_left_out_remembered_and_never_cached) {
  add_segment(0, 20'000, 1);
  const std::string key = add_segment(20'000, 20'000, 2);
  Bytes bytes = store_.get(key, std::nullopt).value();
  ASSERT_TRUE(store_.remove(key));
  bytes[bytes.size() / 2] ^= std::byte{1};
  const std::array<ByteView, 1> parts{ByteView(bytes)};
  ASSERT_TRUE(store_.create(key, parts));
  for (int run = 0; run < 2; ++run) {
    const Process process = load(cached());
    expect_knows(process.index(), 0, 20'000);
    expect_lacks(process.index(), 20'000, 40'000);
    ASSERT_EQ(process.domain().index_damage().size(), 1u);
    EXPECT_EQ(process.domain().index_damage()[0].key, key);
  }
}

TEST_F(IndexLoaderTest, apart_each_segment_is_a_table_and_the_cache_is_not_asked) {
  for (uint64_t segment = 0; segment < 5; ++segment) add_segment(segment * 20'000, 20'000, segment + 1);
  (void)load(cached());
  const Process process = open(cached());
  ASSERT_TRUE(process.domain().reload_index());
  EXPECT_EQ(process.store->segments_read, 5u);
  ASSERT_EQ(process.index().tables().size(), 5u);
  for (const TablePtr& table : process.index().tables()) EXPECT_EQ(table->segments().size(), 1u);
  expect_knows(process.index(), 0, 100'000);
}

// A table that lies about what the vault holds would have a chunk dropped as if it were stored. It cannot be made
// without the domain's key; one that was made for another state of the vault counts no further than that.
TEST_F(IndexLoaderTest, a_stale_or_foreign_cache_never_has_a_chunk_left_out) {
  const Bytes plain = crypto::SeededRng(77).bytes(100'000);
  ChunkId id;
  const auto back_up = [&](LocalFolders folders) {
    Process process = open(std::move(folders));
    auto session = *Session::begin(*process.vault, process.domain(), {.host = "host", .purpose = "backup"});
    Session::Worker worker(*session);
    const auto put = worker.put_chunk(plain);
    EXPECT_TRUE(put);
    id = put->id;
    EXPECT_TRUE(session->commit({}));
    return put->stored_bytes;
  };
  add_segment(0, 20'000, 1);
  EXPECT_GT(back_up(cached()), 0u);
  EXPECT_EQ(back_up(cached()), 0u);
  (void)load(cached());
  // The vault goes back to nothing: packs and segments are gone, the cache stays.
  std::vector<std::string> keys;
  for (const std::string_view prefix : {"data/", "meta/", "index/"}) {
    ASSERT_TRUE(store_.list(prefix, "", [&](const store::ObjectInfo& object) -> Status {
      keys.push_back(object.key);
      return {};
    }));
  }
  for (const std::string& key : keys) ASSERT_TRUE(store_.remove(key));
  EXPECT_GT(back_up(cached()), 0u) << "it is stored again";
  const Process reader = load(cached());
  const auto location = reader.index().find_chunk(format::short_id(id));
  ASSERT_TRUE(location.has_value());
  EXPECT_EQ(to_bytes(reader.domain().make_reader()->read(*location)->plain), plain);
}

TEST_F(IndexLoaderTest, a_session_that_writes_many_segments_keeps_few_of_them_in_memory) {
  const Process process = open(cached());
  ASSERT_TRUE(process.domain().load_index());
  for (uint64_t segment = 0; segment < 12; ++segment) {
    auto plain = std::make_shared<Bytes>(format::encode_segment(synthetic_segment(segment * 200'000, 200'000, 1)));
    ObjectId id;
    id.value.fill(static_cast<std::byte>(segment + 1));
    const ByteView view = *plain;
    process.domain().add_own_segment(IndexTable::make(id, view, std::move(plain)).value());
    uint64_t memory_bytes = 0;
    for (const TablePtr& table : process.index().tables()) memory_bytes += table->memory_bytes();
    EXPECT_LT(memory_bytes, 48u << 20);
  }
  EXPECT_LE(process.index().tables().size(), 8u);
  expect_knows(process.index(), 0, 2'400'000);
  expect_lacks(process.index(), 2'400'000, 2'500'000);
}

TEST_F(IndexLoaderTest, what_a_run_wrote_itself_is_not_read_by_the_next) {
  {
    const Process writer = load(cached());
    const std::string key = store_segment(*writer.vault, writer.domain(), synthetic_segment(0, 20'000, 1));
    auto plain = std::make_shared<Bytes>(format::encode_segment(synthetic_segment(0, 20'000, 1)));
    const ByteView view = *plain;
    writer.domain().add_own_segment(IndexTable::make(parse_object_key(key)->id, view, std::move(plain)).value());
    expect_knows(writer.index(), 0, 20'000);
  }
  const Process next = load(cached());
  EXPECT_EQ(next.store->segments_read, 0u);
  expect_knows(next.index(), 0, 20'000);
}

// Anonymous memory does not grow with the index: three times the entries take as much.
TEST_F(IndexLoaderTest, a_large_index_is_loaded_in_the_memory_of_a_smaller_one) {
  constexpr uint32_t segment_chunk_count = 150'000;
  const auto peak_of = [&](uint64_t segment_count, const std::string& name) {
    const auto large = store::PosixStore::create_root(folder_.path(name)).value();
    {
      const Process writer = open({}, *large);
      for (uint64_t segment = 0; segment < segment_count; ++segment) {
        store_segment(*writer.vault, writer.domain(),
                      synthetic_segment(segment * segment_chunk_count, segment_chunk_count, segment));
      }
    }
    const uint64_t before = os::memory_usage()->anonymous_bytes;
    Process process = open({.cache = folder_.path(name + "-cache"), .temporary = {}}, *large);
    EXPECT_TRUE(process.domain().load_index());
    EXPECT_EQ(process.store->segments_read, segment_count);
    EXPECT_LE(process.index().tables().size(), 3u);
    expect_knows(process.index(), 0, segment_count * segment_chunk_count);
    const uint64_t peak = std::max(process.store->anonymous_bytes_peak, os::memory_usage()->anonymous_bytes);
    return peak > before ? peak - before : 0;
  };
  const uint64_t small = peak_of(10, "small");
  const uint64_t large = peak_of(30, "large");
#if defined(__SANITIZE_ADDRESS__)
  constexpr uint64_t tolerance_bytes = 300 << 20;  // What was freed is kept for a while.
#else
  constexpr uint64_t tolerance_bytes = 24 << 20;   // 20 segments take 150 MB in the plain form.
#endif
  EXPECT_LT(large, small + tolerance_bytes);
}

}  // namespace
}  // namespace holdfast::vault
