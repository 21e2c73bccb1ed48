// SPDX-License-Identifier: Apache-2.0
#include "mount/file_system.h"

#include <gtest/gtest.h>

#include <set>

#include "job/testing.h"

namespace holdfast::mount {
namespace {

using job::testing::test_file;
using job::testing::test_folder;
using job::testing::TestTree;

constexpr size_t small_cache_size_bytes = 256 << 10;

class FileSystemTest : public ::testing::Test {
 protected:
  void open(size_t cache_size_bytes = small_cache_size_bytes) {
    auto points = bed.vault->points();
    ASSERT_TRUE(points.has_value());
    std::optional<ObjectId> latest;
    if (!points->empty() && latest_is_known) latest = points->back().id;
    auto opened = FileSystem::open(*bed.vault, *points, latest, cache_size_bytes);
    ASSERT_TRUE(opened.has_value()) << opened.error().message();
    system = std::move(*opened);
  }
  // The inode at a path whose components are given.
  uint64_t at(std::initializer_list<std::string_view> path) {
    uint64_t inode = TopFolders::root_inode;
    for (const std::string_view name : path) {
      const auto found = system->look_up(inode, name);
      EXPECT_TRUE(found.has_value()) << name;
      if (!found) return 0;
      inode = found->st_ino;
    }
    return inode;
  }
  std::vector<std::string> names(uint64_t inode, size_t at_once = SIZE_MAX,
                                 FileSystem::Hold hold = FileSystem::Hold::no) {
    std::vector<std::string> all;
    auto folder = system->open_folder(inode);
    EXPECT_TRUE(folder.has_value());
    uint64_t place = 0;
    for (bool more = true; more;) {
      size_t count = 0;
      more = false;
      const Status listed = system->list(**folder, place, hold, [&](const FileSystem::Listed& child) {
        if (count++ == at_once) {
          more = true;
          return false;
        }
        all.emplace_back(child.name);
        place = child.next_place;
        return true;
      });
      EXPECT_TRUE(listed.has_value());
    }
    return all;
  }
  Bytes read(uint64_t inode, uint64_t offset_bytes, size_t size_bytes) {
    auto file = system->open_file(inode);
    EXPECT_TRUE(file.has_value());
    Bytes bytes(size_bytes);
    const auto size = (*file)->view->read((*file)->content, offset_bytes, bytes);
    EXPECT_TRUE(size.has_value()) << size.error().message();
    bytes.resize(size.value_or(0));
    return bytes;
  }
  std::string name_of(const vault::PointInfo& point) { return TopFolders::point_name(point); }

  job::testing::TestBed bed{17};
  std::unique_ptr<FileSystem> system;
  bool latest_is_known = true;
};

TEST_F(FileSystemTest, points_are_found_by_time_host_and_tag) {
  job::BackupRequest request;
  request.host = "one";
  request.tags = {"a/b", "c"};
  const auto first = bed.backup(job::testing::sample_tree(1), request);
  request.host = "two";
  request.tags.clear();
  const auto second = bed.backup(job::testing::sample_tree(2), request);
  open();
  EXPECT_EQ(names(TopFolders::root_inode),
            (std::vector<std::string>{".", "..", name_of(first), name_of(second), "by-host", "by-tag", "latest"}));
  EXPECT_EQ(names(at({"by-host"})), (std::vector<std::string>{".", "..", "one", "two"}));
  EXPECT_EQ(names(at({"by-tag"})), (std::vector<std::string>{".", "..", "a_b", "c"}));
  EXPECT_EQ(*system->read_link(at({"latest"})), name_of(second));
  EXPECT_EQ(*system->read_link(at({"by-tag", "a_b", name_of(first)})), "../../" + name_of(first));
  EXPECT_EQ(system->look_up(TopFolders::root_inode, "nothing").error().code(), ErrorCode::not_found);
}

// As where a later version has written into the log.
TEST_F(FileSystemTest, where_the_latest_is_not_known_nothing_passes_for_it) {
  const auto point = bed.backup(job::testing::sample_tree(1));
  latest_is_known = false;
  open();
  EXPECT_EQ(names(TopFolders::root_inode),
            (std::vector<std::string>{".", "..", name_of(point), "by-host", "by-tag"}));
}

TEST_F(FileSystemTest, every_byte_reads_at_any_offset_through_a_small_cache) {
  const TestTree tree = job::testing::sample_tree(3);
  const auto point = bed.backup(tree);
  open();
  crypto::SeededRng rng(4);
  for (const auto& [path, file] : tree) {
    if (file.attributes.type != format::FileType::regular) continue;
    uint64_t inode = at({name_of(point)});
    for (size_t begin = 0; begin <= path.size();) {
      const size_t end = std::min(path.find('/', begin), path.size());
      const auto found = system->look_up(inode, std::string_view(path).substr(begin, end - begin));
      ASSERT_TRUE(found.has_value()) << path;
      inode = found->st_ino;
      begin = end + 1;
    }
    EXPECT_EQ(read(inode, 0, file.content.size() + 10), file.content) << path;
    for (int round = 0; round < 8 && !file.content.empty(); ++round) {
      const size_t begin = rng.below(file.content.size());
      const size_t size = rng.below(file.content.size() - begin) + 1;
      EXPECT_TRUE(equal(read(inode, begin, size), ByteView(file.content).subspan(begin, size))) << path;
    }
    EXPECT_TRUE(read(inode, file.content.size(), 10).empty());
  }
}

TEST_F(FileSystemTest, holes_are_told_from_data) {
  const auto point = bed.backup(job::testing::sample_tree(5));
  open();
  const uint64_t inode = at({name_of(point), "data", "sparse"});
  auto file = system->open_file(inode);
  ASSERT_TRUE(file.has_value());
  PointView& view = *(*file)->view;
  EXPECT_EQ(*view.seek((*file)->content, 0, PointView::Seek::hole), 0u);
  EXPECT_EQ(*view.seek((*file)->content, 10, PointView::Seek::data), 70'000u);
  EXPECT_EQ(*view.seek((*file)->content, 70'001, PointView::Seek::data), 70'001u);
  EXPECT_EQ(*view.seek((*file)->content, 70'001, PointView::Seek::hole), 100'000u);
  EXPECT_EQ(*view.seek((*file)->content, 100'000, PointView::Seek::data), std::nullopt);
  EXPECT_LE(system->get_attributes(inode)->st_blocks * 512, 31'000);
}

TEST_F(FileSystemTest, large_folders_are_listed_in_pieces_and_from_anywhere) {
  TestTree tree{{"", test_folder()}, {"many", test_folder()}};
  std::set<std::string> expected;
  for (int count = 0; count < 10'000; ++count) {
    const std::string name = "f" + std::to_string(count);
    tree["many/" + name] = count % 100 == 0 ? test_folder() : test_file("");
    if (count % 100 == 0) tree["many/" + name + "/inside"] = test_file("x");
    expected.insert(name);
  }
  const auto point = bed.backup(tree);
  open();
  const uint64_t inode = at({name_of(point), "many"});
  const std::vector<std::string> whole = names(inode);
  EXPECT_EQ(std::set(whole.begin() + 2, whole.end()), expected);
  EXPECT_EQ(whole.size(), expected.size() + 2);
  EXPECT_EQ(names(inode, 7), whole);
  auto folder = system->open_folder(inode);
  for (const uint64_t place : {9'000u, 3u, 8'192u, 4'097u, 10'001u}) {
    std::string name;
    ASSERT_TRUE(system->list(**folder, place, FileSystem::Hold::no, [&](const FileSystem::Listed& child) {
      name = child.name;
      return false;
    }).has_value());
    EXPECT_EQ(name, whole[place]) << place;
  }
}

// Readers remember where they stood: neither order nor changing between points may show.
TEST_F(FileSystemTest, names_are_found_in_any_order_and_by_turns_in_two_points) {
  TestTree first{{"", test_folder()}, {"many", test_folder()}}, second = first;
  constexpr uint64_t file_count = 3'000;
  for (uint64_t count = 0; count < file_count; ++count) {
    first["many/f" + std::to_string(count)] = test_file(Bytes(count % 7, std::byte{1}));
    if (count % 3 == 0) continue;
    second["many/f" + std::to_string(count)] = test_file(Bytes(count % 5 + 10, std::byte{2}));
  }
  const auto older = bed.backup(first), newer = bed.backup(second);
  open();
  const uint64_t older_folder = at({name_of(older), "many"}), newer_folder = at({name_of(newer), "many"});
  crypto::SeededRng rng(9);
  for (uint64_t round = 0; round < 3 * file_count; ++round) {
    const uint64_t count = round < file_count ? round : round < 2 * file_count ? 2 * file_count - 1 - round
                                                                               : rng.below(file_count);
    const std::string name = "f" + std::to_string(count);
    const auto there = system->look_up(older_folder, name);
    ASSERT_TRUE(there.has_value()) << name;
    ASSERT_EQ(static_cast<uint64_t>(there->st_size), count % 7) << name;
    const auto later = system->look_up(newer_folder, name);
    ASSERT_EQ(later.has_value(), count % 3 != 0) << name;
    if (later) {
      ASSERT_EQ(static_cast<uint64_t>(later->st_size), count % 5 + 10) << name;
    }
    ASSERT_EQ(system->look_up(older_folder, name + "x").error().code(), ErrorCode::not_found);
  }
}

TEST_F(FileSystemTest, what_the_kernel_forgets_is_forgotten_and_numbers_stay) {
  const auto point = bed.backup(job::testing::sample_tree(6));
  open();
  const uint64_t inode = at({name_of(point), "data", "empty"});
  EXPECT_EQ(system->held_inode_count(), 2u);
  at({name_of(point), "data", "empty"});
  system->forget(inode, 1);
  EXPECT_TRUE(system->get_attributes(inode).has_value());
  system->forget(inode, 1);
  EXPECT_EQ(system->get_attributes(inode).error().code(), ErrorCode::not_found);
  EXPECT_EQ(at({name_of(point), "data", "empty"}), inode);
  open();
  EXPECT_EQ(at({name_of(point), "data", "empty"}), inode) << "in another mount";
}

TEST_F(FileSystemTest, listing_holds_only_what_was_taken) {
  const auto point = bed.backup(job::testing::sample_tree(7));
  open();
  const uint64_t data = at({name_of(point), "data"});
  const size_t before = system->held_inode_count();
  const size_t children = names(data, 2, FileSystem::Hold::yes).size() - 2;
  EXPECT_EQ(system->held_inode_count(), before + children);
}

TEST_F(FileSystemTest, names_of_one_file_share_its_number) {
  TestTree tree{{"", test_folder()}, {"a", test_file("linked")}, {"b", test_file("linked")}, {"c", test_file("linked")}};
  tree["a"].attributes.link_group = 5;
  tree["b"].attributes.link_group = 5;
  const auto point = bed.backup(tree);
  open();
  const uint64_t inode = at({name_of(point), "a"});
  EXPECT_EQ(at({name_of(point), "b"}), inode);
  EXPECT_NE(at({name_of(point), "c"}), inode);
  EXPECT_GT(system->get_attributes(inode)->st_nlink, 1u);
  EXPECT_EQ(read(inode, 0, 100), to_bytes("linked"));
}

TEST_F(FileSystemTest, folders_without_an_entry_are_there) {
  const TestTree tree{{"srv/data/file", test_file("far down")}};
  const auto point = bed.backup(tree);
  open();
  EXPECT_EQ(names(at({name_of(point)})), (std::vector<std::string>{".", "..", "srv"}));
  EXPECT_EQ(names(at({name_of(point), "srv"})), (std::vector<std::string>{".", "..", "data"}));
  const uint64_t folder = at({name_of(point), "srv", "data"});
  EXPECT_TRUE(S_ISDIR(system->get_attributes(folder)->st_mode));
  EXPECT_EQ(read(at({name_of(point), "srv", "data", "file"}), 0, 100), to_bytes("far down"));
  EXPECT_EQ(system->look_up(folder, "fil").error().code(), ErrorCode::not_found);
}

TEST(BlockCache, the_least_recently_used_leaves_first) {
  BlockCache cache(80);
  const auto id = [](uint8_t value) {
    ChunkId made;
    made.value.fill(static_cast<std::byte>(value));
    return made;
  };
  for (uint8_t value = 1; value <= 8; ++value) cache.put(id(value), std::make_shared<const Bytes>(10));
  EXPECT_NE(cache.find(id(1)), nullptr);
  cache.put(id(9), std::make_shared<const Bytes>(10));
  EXPECT_EQ(cache.find(id(2)), nullptr);
  EXPECT_NE(cache.find(id(1)), nullptr);
  EXPECT_EQ(cache.size_bytes(), 80u);
  cache.put(id(10), std::make_shared<const Bytes>(11));
  EXPECT_EQ(cache.find(id(10)), nullptr) << "too large to keep";
}

}  // namespace
}  // namespace holdfast::mount
