// SPDX-License-Identifier: Apache-2.0
#include "job/walk.h"

#include "job/point_spec.h"
#include "job/testing.h"

namespace holdfast::job {
namespace {

using testing::sample_tree;
using testing::test_file;
using testing::test_folder;
using testing::test_symlink;
using testing::TestBed;
using testing::TestTree;

class WalkTest : public ::testing::Test {
 protected:
  std::vector<std::string> list(PointWalk& walk, std::string_view path, Depth depth) {
    std::vector<std::string> paths;
    const Status listed = walk.list(path, depth, [&](const PathEntry& entry) -> Status {
      paths.push_back(entry.path);
      return {};
    });
    EXPECT_TRUE(listed.has_value()) << listed.error().message();
    return paths;
  }
  Bytes read(PointWalk& walk, const format::Content& content, uint64_t begin, uint64_t end) {
    Bytes bytes;
    const Status read = walk.read(content, begin, end, [&](ByteView part) -> Status {
      bytes.insert(bytes.end(), part.begin(), part.end());
      return {};
    });
    EXPECT_TRUE(read.has_value()) << read.error().message();
    return bytes;
  }
  TestBed bed_{11};
};

TEST_F(WalkTest, a_folder_lists_its_children_or_all_beneath_it_and_nothing_beside_it) {
  TestTree tree;
  for (const char* folder : {"", "a", "a/b", "ab"}) tree[folder] = test_folder();
  for (const char* file : {"a/b/deep", "a/c", "a!", "ab/x"}) tree[file] = test_file("bytes");
  auto walk = *PointWalk::open(*bed_.vault, bed_.backup(tree));
  using Paths = std::vector<std::string>;
  EXPECT_EQ(list(*walk, "/", Depth::children), (Paths{"/a", "/a!", "/ab"}));
  EXPECT_EQ(list(*walk, "/a", Depth::children), (Paths{"/a/b", "/a/c"}));
  EXPECT_EQ(list(*walk, "a/", Depth::all), (Paths{"/a/b", "/a/b/deep", "/a/c"}));
  EXPECT_EQ(list(*walk, "/a/c", Depth::all), (Paths{"/a/c"}));
  EXPECT_EQ(list(*walk, "", Depth::all).size(), 7u);
  const Status missing = walk->list("/a/no", Depth::all, [](const PathEntry&) { return Status(); });
  ASSERT_FALSE(missing.has_value());
  EXPECT_EQ(missing.error().code(), ErrorCode::not_found);
  EXPECT_EQ(walk->list("/a/../b", Depth::all, [](const PathEntry&) { return Status(); }).error().code(),
            ErrorCode::invalid);
}

TEST_F(WalkTest, every_content_reads_back_whole_and_in_part) {
  const TestTree tree = sample_tree(12);
  auto walk = *PointWalk::open(*bed_.vault, bed_.backup(tree));
  crypto::SeededRng rng(13);
  for (const auto& [path, file] : tree) {
    const auto entry = *walk->look_up("/" + path);
    ASSERT_TRUE(entry.has_value()) << path;
    EXPECT_EQ(entry->attributes, file.attributes) << path;
    EXPECT_EQ(read(*walk, entry->content, 0, UINT64_MAX), file.content) << path;
    if (file.content.empty()) continue;
    const size_t begin = rng.below(file.content.size()), end = begin + rng.below(file.content.size() - begin + 1);
    EXPECT_EQ(read(*walk, entry->content, begin, end),
              Bytes(file.content.begin() + static_cast<ptrdiff_t>(begin),
                    file.content.begin() + static_cast<ptrdiff_t>(end)));
  }
  Bytes whole;
  ASSERT_TRUE(walk->cat("/data/sparse", [&](ByteView part) -> Status {
    whole.insert(whole.end(), part.begin(), part.end());
    return {};
  }));
  EXPECT_EQ(whole, tree.at("data/sparse").content);
  EXPECT_EQ(walk->cat("/data", [](ByteView) { return Status(); }).error().code(), ErrorCode::invalid);
}

TEST_F(WalkTest, names_are_found_by_glob_and_paths_by_globs_with_a_slash) {
  auto walk = *PointWalk::open(*bed_.vault, bed_.backup(sample_tree(14)));
  const auto find = [&](std::string_view beneath, std::string_view glob, bool ignore_case) {
    std::vector<std::string> paths;
    EXPECT_TRUE(walk->find(beneath, glob, ignore_case, [&](const PathEntry& entry) -> Status {
      paths.push_back(entry.path);
      return {};
    }));
    return paths;
  };
  EXPECT_EQ(find("/", "file17", false), std::vector<std::string>{"/data/folder1/file17"});
  EXPECT_EQ(find("/", "FILE17", false).size(), 0u);
  EXPECT_EQ(find("/", "FILE17", true).size(), 1u);
  EXPECT_EQ(find("/", "file*", false).size(), 40u);
  EXPECT_EQ(find("/data/folder2", "file*", false).size(), 10u);
  EXPECT_EQ(find("/", "/data/*/file3", false), std::vector<std::string>{"/data/folder3/file3"});
}

TEST_F(WalkTest, a_difference_tells_what_was_added_removed_and_changed_and_how) {
  TestTree tree{{"", test_folder()},          {"gone", test_file("x")},   {"content", test_file("one")},
                {"mode", test_file("same")},  {"type", test_file("y")},   {"same", test_file("z")},
                {"link", test_symlink("to")}};
  const auto before = bed_.backup(tree);
  tree.erase("gone");
  tree["new"] = test_file("n");
  tree["content"] = test_file("two");
  tree["mode"].attributes.mode = 0600;
  tree["type"] = test_folder();
  tree["link"] = test_symlink("elsewhere");
  const auto after = bed_.backup(tree);
  std::map<std::string, DifferenceKind> found;
  ASSERT_TRUE(diff_points(*bed_.vault, before, after, "/", [&](const PathDifference& difference) -> Status {
    found[difference.path()] = difference.kind;
    return {};
  }));
  const std::map<std::string, DifferenceKind> expected{
      {"/gone", DifferenceKind::removed},           {"/new", DifferenceKind::added},
      {"/content", DifferenceKind::content_changed}, {"/mode", DifferenceKind::metadata_changed},
      {"/type", DifferenceKind::type_changed},      {"/link", DifferenceKind::content_changed}};
  EXPECT_EQ(found, expected);
}

TEST_F(WalkTest, points_are_named_by_latest_by_id_and_by_unique_prefix) {
  const TestTree tree{{"", test_folder()}};
  BackupRequest tagged;
  tagged.tags = {"keep"};
  tagged.host = "other";
  const auto first = bed_.backup(tree, tagged);
  const auto second = bed_.backup(tree);
  const auto points = *bed_.vault->points();
  ASSERT_EQ(points.size(), 2u);
  EXPECT_EQ(resolve_point(points, "latest", {})->id, second.id);
  EXPECT_EQ(resolve_point(points, "latest", {.host = "other", .paths = {}, .tags = {}})->id, first.id);
  EXPECT_EQ(resolve_point(points, "latest", {.host = {}, .paths = {}, .tags = {"keep"}})->id, first.id);
  EXPECT_EQ(resolve_point(points, "latest", {.host = {}, .paths = {"/data/"}, .tags = {}})->id, second.id);
  EXPECT_EQ(resolve_point(points, "latest", {.host = {}, .paths = {"/dat"}, .tags = {}}).error().code(), ErrorCode::not_found);
  EXPECT_EQ(resolve_point(points, to_hex(first.id).substr(0, 12), {})->id, first.id);
  EXPECT_EQ(resolve_point(points, "", {}).error().code(), ErrorCode::invalid);
  EXPECT_EQ(resolve_point(points, "zz", {}).error().code(), ErrorCode::not_found);
  const PointSpec spec = *parse_point_spec("latest:/srv/a:b");
  EXPECT_EQ(spec.name, "latest");
  EXPECT_EQ(spec.path, "/srv/a:b");
  EXPECT_EQ(parse_point_spec("4f3a")->path, std::nullopt);
  EXPECT_EQ(parse_point_spec(":/srv").error().code(), ErrorCode::invalid);
}

}  // namespace
}  // namespace holdfast::job
