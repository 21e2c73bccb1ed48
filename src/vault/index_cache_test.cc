// SPDX-License-Identifier: Apache-2.0
#include "vault/index_cache.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <map>

#include "os/file.h"
#include "os/testing.h"
#include "vault/index_merge.h"
#include "vault/testing.h"

namespace holdfast::vault {
namespace {

using Keep = IndexCache::Keep;

DomainKeys keys_of(uint64_t seed, DomainId domain, Epoch epoch_count = 1) {
  crypto::SeededRng rng(seed);
  DomainKeys keys;
  keys.domain = domain;
  for (Epoch epoch = 1; epoch <= epoch_count; ++epoch) {
    EpochKeys& added = keys.epochs.emplace_back();
    added.epoch = epoch;
    added.metadata_key = crypto::Secret32::random(rng);
  }
  return keys;
}

VaultId vault_id(uint8_t number) {
  VaultId id;
  id.value.fill(static_cast<std::byte>(number));
  return id;
}

// A segment over few ids, so that segments overlap.
struct Segment {
  ObjectId id;
  format::SegmentContents contents;  // In the order of the segment.
  TablePtr table;
};

Segment make_segment(crypto::SeededRng& rng, uint64_t id_count, size_t chunk_count) {
  Segment segment;
  format::SegmentContents contents;
  contents.order = rng.below(6);  // Equal ones are decided by name.
  for (uint64_t pack = 0; pack < 1 + rng.below(4); ++pack) {
    format::PackInfo& info = contents.packs.emplace_back();
    rng.fill(info.id.value);
    info.kind = 1;
    info.size_bytes = 1 << 20;
  }
  const auto some_id = [&] {
    format::ShortId id{};
    crypto::SeededRng of_number(1'000 + rng.below(id_count));
    of_number.fill(id);
    return id;
  };
  for (size_t place = 0; place < chunk_count; ++place) {
    contents.chunks.push_back({.id = some_id(),
                               .pack = static_cast<uint32_t>(rng.below(contents.packs.size())),
                               .offset_bytes = static_cast<uint32_t>(rng.below(1 << 19)),
                               .size_bytes = static_cast<uint32_t>(rng.below(1 << 19)),
                               .plain_size_bytes = static_cast<uint32_t>(rng.below(1 << 20))});
    for (uint64_t piece = 0; piece < rng.below(3); ++piece) {
      contents.pieces.push_back({.id = some_id(), .bundle = static_cast<uint32_t>(place)});
    }
  }
  auto bytes = std::make_shared<Bytes>(format::encode_segment(std::move(contents)));
  segment.id = ObjectId::from(crypto::hash(*bytes));
  const ByteView view = *bytes;
  segment.table = IndexTable::make(segment.id, view, std::move(bytes)).value();
  segment.contents.order = segment.table->view().order();
  segment.contents.packs = segment.table->view().packs();
  for (size_t place = 0; place < segment.table->view().chunk_count(); ++place) {
    segment.contents.chunks.push_back(segment.table->view().chunk(place));
  }
  for (size_t place = 0; place < segment.table->view().piece_count(); ++place) {
    segment.contents.pieces.push_back(segment.table->view().piece(place));
  }
  return segment;
}

// What must be found, made from the segments' contents alone.
struct Home {
  uint64_t order = 0;
  ObjectId segment, pack;
  uint32_t offset_bytes = 0, size_bytes = 0, plain_size_bytes = 0;
};
using Model = std::map<format::ShortId, Home>;

void add_home(Model& model, const Segment& segment, const format::ShortId& id, const format::ChunkLocation& chunk) {
  const Home home{.order = segment.contents.order,
                  .segment = segment.id,
                  .pack = segment.contents.packs[chunk.pack].id,
                  .offset_bytes = chunk.offset_bytes,
                  .size_bytes = chunk.size_bytes,
                  .plain_size_bytes = chunk.plain_size_bytes};
  const auto [known, is_new] = model.try_emplace(id, home);
  if (!is_new && std::tie(home.order, home.segment) > std::tie(known->second.order, known->second.segment)) {
    known->second = home;
  }
}

void expect_same(const std::optional<Location>& found, const Model& model, const format::ShortId& id) {
  const auto home = model.find(id);
  ASSERT_EQ(found.has_value(), home != model.end());
  if (!found) return;
  EXPECT_EQ(found->pack->id, home->second.pack);
  EXPECT_EQ(found->offset_bytes, home->second.offset_bytes);
  EXPECT_EQ(found->size_bytes, home->second.size_bytes);
  EXPECT_EQ(found->plain_size_bytes, home->second.plain_size_bytes);
}

void expect_finds(const std::vector<TablePtr>& tables, const std::vector<Segment>& segments, uint64_t id_count) {
  Index index;
  for (const TablePtr& table : tables) index.add(table);
  Model chunks, pieces;
  for (const Segment& segment : segments) {
    for (const auto& chunk : segment.contents.chunks) add_home(chunks, segment, chunk.id, chunk);
    for (const auto& piece : segment.contents.pieces) {
      add_home(pieces, segment, piece.id, segment.contents.chunks[piece.bundle]);
    }
  }
  for (uint64_t number = 0; number < id_count; ++number) {
    format::ShortId id{};
    crypto::SeededRng of_number(1'000 + number);
    of_number.fill(id);
    expect_same(index.find_chunk(id), chunks, id);
    expect_same(index.find_piece(id), pieces, id);
  }
}

class IndexCacheTest : public ::testing::Test {
 protected:
  IndexCacheTest() : keys_(keys_of(1, 7)) {}
  TableOwner owner() const { return {.vault = vault_id(3), .keys = keys_}; }
  LocalFolders folders() const { return {.cache = folder_.path("cache"), .temporary = {}}; }
  std::unique_ptr<IndexCache> cache(LocalFolders folders) {
    return std::make_unique<IndexCache>(std::move(folders), owner(), rng_);
  }
  std::unique_ptr<IndexCache> cache() { return cache(folders()); }
  std::string table_folder() const {
    return folder_.path("cache/index/" + to_hex(vault_id(3)) + "/00000007");
  }
  std::vector<std::string> table_files() const {
    std::vector<std::string> files;
    const auto items = os::list_directory_at(os::at_cwd, table_folder());
    if (!items) return files;
    for (const auto& item : *items) {
      if (item.name != "lock") files.push_back(table_folder() + "/" + item.name);
    }
    return files;
  }
  static Bytes read(const std::string& path) { return os::read_file(path, 1 << 28).value(); }
  static void write(const std::string& path, ByteView bytes) {
    ASSERT_TRUE(os::write_durably(path, bytes, 0600, os::Existing::replace));
  }
  TablePtr merged(IndexCache& cache, const std::vector<Segment>& segments) {
    std::vector<TablePtr> tables;
    for (const Segment& segment : segments) tables.push_back(segment.table);
    return cache.merge(tables, {}, Keep::between_runs).value();
  }

  os::TemporaryFolder folder_;
  DomainKeys keys_;
  crypto::SeededRng rng_{21};
};

// Segments come and go, tables are merged, filtered, closed and opened again; every look-up agrees with a map of all
// that the segments say.
TEST_F(IndexCacheTest, finds_what_a_map_finds_whatever_is_merged_taken_out_and_reopened) {
  for (uint64_t seed = 1; seed <= 12; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    crypto::SeededRng rng(seed);
    const uint64_t id_count = 20 + rng.below(3'000);
    const LocalFolders own{.cache = folder_.path("seed" + std::to_string(seed)), .temporary = {}};
    auto local = cache(own);
    std::vector<Segment> segments;
    std::vector<TablePtr> tables;
    for (int step = 0; step < 40; ++step) {
      switch (rng.below(5)) {
        case 0:
        case 1:
          segments.push_back(make_segment(rng, id_count, rng.below(400)));
          tables.push_back(segments.back().table);
          break;
        case 2: {  // Some tables become one.
          std::vector<TablePtr> chosen;
          for (const TablePtr& table : tables) {
            if (rng.below(2) == 0) chosen.push_back(table);
          }
          if (chosen.empty()) break;
          const TablePtr one = local->merge(chosen, {}, rng.below(2) ? Keep::between_runs : Keep::for_this_run).value();
          local->drop(chosen);
          std::erase_if(tables, [&](const auto& t) { return std::count(chosen.begin(), chosen.end(), t) > 0; });
          tables.push_back(one);
          break;
        }
        case 3: {  // Some segments go.
          std::set<ObjectId> gone;
          for (const Segment& segment : segments) {
            if (rng.below(3) == 0) gone.insert(segment.id);
          }
          const TablePtr rest = local->merge(tables, gone, Keep::between_runs).value();
          local->drop(tables);
          tables = {rest};
          std::erase_if(segments, [&](const Segment& segment) { return gone.contains(segment.id); });
          break;
        }
        default: {  // Another run, which has only what was kept.
          const TablePtr all = local->merge(tables, {}, Keep::between_runs).value();
          local->drop(tables);
          local = cache(own);
          tables = local->open();
          ASSERT_EQ(tables.size(), 1u);
          ASSERT_EQ(tables[0]->entry_count(), all->entry_count());
        }
      }
      expect_finds(tables, segments, id_count);
    }
  }
}

TEST_F(IndexCacheTest, large_scratch_lies_in_files_and_gives_the_same) {
  crypto::SeededRng rng(5);
  std::vector<Segment> segments;
  for (int count = 0; count < 4; ++count) segments.push_back(make_segment(rng, 700'000, 200'000));
  auto local = cache();
  const TablePtr table = merged(*local, segments);
  Index index;
  index.add(table);
  expect_finds({table}, segments, 20'000);
  expect_finds({local->merge({&table, 1}, {segments[1].id}, Keep::for_this_run).value()},
               {segments[0], segments[2], segments[3]}, 20'000);
}

TEST_F(IndexCacheTest, any_flipped_bit_cut_or_addition_discards_the_table) {
  crypto::SeededRng rng(3);
  const std::vector<Segment> segments{make_segment(rng, 100, 12), make_segment(rng, 100, 9)};
  (void)merged(*cache(), segments);
  ASSERT_EQ(table_files().size(), 1u);
  const std::string path = table_files().front();
  const Bytes good = read(path);
  ASSERT_EQ(cache()->open().size(), 1u);
  const auto is_refused = [&](ByteView bytes) {
    write(path, bytes);
    const auto opened = open_table_file(os::MappedFile::open(path).value(), owner());
    return !opened && opened.error().code() == ErrorCode::corrupt;
  };
  for (size_t at = 0; at < good.size(); ++at) {
    Bytes bytes = good;
    bytes[at] ^= static_cast<std::byte>(1u << (at % 8));
    ASSERT_TRUE(is_refused(bytes)) << "byte " << at;
    if (at % 7 == 0) {
      ASSERT_TRUE(is_refused(ByteView(good).first(at))) << "cut to " << at;
    }
  }
  Bytes longer = good;
  longer.push_back(std::byte{0});
  EXPECT_TRUE(is_refused(longer));
  EXPECT_EQ(cache()->open().size(), 0u);
  EXPECT_EQ(table_files().size(), 0u) << "what is no use is removed";
}

TEST_F(IndexCacheTest, parts_of_a_large_table_cannot_change_places) {
  crypto::SeededRng rng(3);
  const std::vector<Segment> segments{make_segment(rng, 1'000'000, 400'000)};
  (void)merged(*cache(), segments);
  const std::string path = table_files().front();
  Bytes bytes = read(path);
  constexpr size_t part = 8 << 20;
  ASSERT_GT(bytes.size(), 2 * part);
  ASSERT_EQ(cache()->open().size(), 1u);
  std::swap_ranges(bytes.begin() + 4096, bytes.begin() + 8192, bytes.begin() + part + 4096);
  write(path, bytes);
  EXPECT_EQ(cache()->open().size(), 0u);
}

TEST_F(IndexCacheTest, tables_of_another_vault_domain_or_key_are_refused) {
  crypto::SeededRng rng(3);
  (void)merged(*cache(), {make_segment(rng, 100, 12)});
  const std::string path = table_files().front();
  const auto opens = [&](const VaultId& vault, const DomainKeys& keys) {
    return open_table_file(os::MappedFile::open(path).value(), {.vault = vault, .keys = keys}).has_value();
  };
  EXPECT_TRUE(opens(vault_id(3), keys_of(1, 7)));
  EXPECT_TRUE(opens(vault_id(3), keys_of(1, 7, 2))) << "an earlier epoch's key is still ours";
  EXPECT_FALSE(opens(vault_id(4), keys_of(1, 7)));
  EXPECT_FALSE(opens(vault_id(3), keys_of(1, 8)));
  EXPECT_FALSE(opens(vault_id(3), keys_of(2, 7)));
}

TEST_F(IndexCacheTest, of_tables_that_overlap_one_is_used_and_the_other_removed) {
  crypto::SeededRng rng(3);
  const std::vector<Segment> segments{make_segment(rng, 100, 12), make_segment(rng, 100, 9), make_segment(rng, 100, 30)};
  auto local = cache();
  (void)merged(*local, {segments[0], segments[1]});
  (void)merged(*local, {segments[1], segments[2]});
  ASSERT_EQ(table_files().size(), 2u);
  const auto tables = cache()->open();
  ASSERT_EQ(tables.size(), 1u);
  EXPECT_EQ(tables[0]->segments()[1].id, segments[2].id) << "the larger";
  EXPECT_EQ(table_files().size(), 1u);
}

TEST_F(IndexCacheTest, while_another_process_holds_the_folder_nothing_in_it_changes) {
  crypto::SeededRng rng(3);
  const std::vector<Segment> segments{make_segment(rng, 100, 12)};
  (void)merged(*cache(), segments);
  write(table_folder() + "/0123.table", as_bytes("damaged"));
  const auto lock = os::open(table_folder() + "/lock", {.access = os::Access::read_write}).value();
  ASSERT_TRUE(os::try_lock_file(lock.get(), os::FileLock::exclusive).value());
  const auto files = table_files();
  auto local = cache();
  EXPECT_EQ(local->open().size(), 1u) << "reading needs no lock";
  const TablePtr table = merged(*local, segments);
  EXPECT_EQ(table->entry_count(), segments[0].table->entry_count());
  EXPECT_EQ(table_files(), files);
}

TEST_F(IndexCacheTest, leftovers_of_killed_runs_are_removed) {
  crypto::SeededRng rng(3);
  (void)merged(*cache(), {make_segment(rng, 100, 12)});
  write(table_folder() + "/0123.table.tmp-77", as_bytes("half"));
  write(table_folder() + "/tmp-78", as_bytes("half"));
  EXPECT_EQ(cache()->open().size(), 1u);
  EXPECT_EQ(table_files().size(), 1u);
}

TEST_F(IndexCacheTest, without_a_cache_tables_are_nameless_and_without_any_folder_it_says_so) {
  crypto::SeededRng rng(3);
  const std::vector<Segment> segments{make_segment(rng, 100, 12)};
  const std::vector<TablePtr> tables{segments[0].table};
  write(folder_.path("file"), as_bytes("in the way"));
  const std::string blocked = folder_.path("file") + "/cache";
  auto blocked_cache = cache({.cache = blocked, .temporary = folder_.path()});
  EXPECT_EQ(blocked_cache->open().size(), 0u);
  const auto merged = blocked_cache->merge(tables, {}, Keep::between_runs);
  ASSERT_TRUE(merged);
  expect_finds({*merged}, segments, 100);
  EXPECT_EQ(os::list_directory_at(os::at_cwd, folder_.path())->size(), 1u) << "no file is left";
  EXPECT_FALSE(cache({.cache = blocked, .temporary = {}})->merge(tables, {}, Keep::between_runs));
  EXPECT_FALSE(cache({})->merge(tables, {}, Keep::between_runs));
  EXPECT_EQ(cache({})->open().size(), 0u);
}

TEST_F(IndexCacheTest, the_folder_is_private_and_says_that_it_is_a_cache) {
  crypto::SeededRng rng(3);
  (void)merged(*cache(), {make_segment(rng, 100, 12)});
  EXPECT_TRUE(std::filesystem::exists(folder_.path("cache/CACHEDIR.TAG")));
  using std::filesystem::perms;
  EXPECT_EQ(std::filesystem::status(table_folder()).permissions(), perms::owner_all);
  EXPECT_EQ(std::filesystem::status(table_files().front()).permissions(), perms::owner_read | perms::owner_write);
}

TEST(IndexFilterTest, never_denies_what_is_there_and_seldom_lets_pass_what_is_not) {
  crypto::SeededRng rng(9);
  for (const size_t count : {0u, 1u, 5u, 1'000u, 100'000u}) {
    Bytes blocks(IndexFilter::size_bytes(count));
    std::fill(blocks.begin(), blocks.end(), std::byte{0});
    std::vector<format::ShortId> ids(count);
    for (format::ShortId& id : ids) {
      rng.fill(id);
      IndexFilter::add(blocks, id);
    }
    const IndexFilter filter{ByteView(blocks)};
    for (const format::ShortId& id : ids) ASSERT_TRUE(filter.may_contain(id));
    if (count < 1'000) continue;
    size_t passed = 0;
    for (int trial = 0; trial < 100'000; ++trial) {
      format::ShortId id;
      rng.fill(id);
      passed += filter.may_contain(id) ? 1 : 0;
    }
    EXPECT_LT(passed, 2'500u) << count;
  }
}

}  // namespace
}  // namespace holdfast::vault
