// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <string>

#include "format/tree_node.h"
#include "tree/testing.h"
#include "tree/tree.h"

// Nodes as hostile or damaged storage might serve them: well-formed one by one, but a lie together.
namespace holdfast::tree {
namespace {

using format::TreeChild;

ChunkId id_of(int fill) {
  ChunkId id;
  id.value.fill(static_cast<std::byte>(fill));
  return id;
}

void plant_leaf(MemoryNodeStore& nodes, int fill, std::initializer_list<std::string_view> keys) {
  Bytes node;
  format::begin_tree_node(node, 1);
  std::string_view before;
  for (const std::string_view key : keys) {
    format::append_tree_entry(node, as_bytes(key), format::common_prefix(as_bytes(before), as_bytes(key)), {});
    before = key;
  }
  nodes.plant(id_of(fill), node);
}

struct Child {
  std::string_view last_key;
  int fill;
  uint64_t entry_count;
};

void plant_inner(MemoryNodeStore& nodes, int fill, uint8_t height, std::initializer_list<Child> children) {
  Bytes node;
  format::begin_tree_node(node, height);
  std::string_view before;
  for (const Child& child : children) {
    const size_t shared = format::common_prefix(as_bytes(before), as_bytes(child.last_key));
    format::append_tree_child(node, as_bytes(child.last_key), shared, {id_of(child.fill), child.entry_count, false});
    before = child.last_key;
  }
  nodes.plant(id_of(fill), node);
}

// Every way of reading must say `corrupt`.
void expect_corrupt(MemoryNodeStore& nodes, const Root& root) {
  const auto code = [](const auto& result) {
    EXPECT_FALSE(result);
    return result ? ErrorCode::internal : result.error().code();
  };
  const auto ignore = [](const auto&) -> Status { return {}; };
  EXPECT_EQ(code(for_range(nodes, root, {}, {}, ignore)), ErrorCode::corrupt);
  EXPECT_EQ(code(diff(nodes, root, Root{}, ignore)), ErrorCode::corrupt);
  EXPECT_EQ(code(diff(nodes, Root{}, root, ignore)), ErrorCode::corrupt);
  EXPECT_EQ(code(for_each_node_and_entry(
                nodes, root, [](const ChunkId&, uint8_t) -> Result<bool> { return true; }, ignore)),
            ErrorCode::corrupt);
  Builder builder(nodes, Config{});
  EXPECT_EQ(code(builder.append_tree(root)), ErrorCode::corrupt);
}

TEST(HostileNodes, a_sound_tree_of_planted_nodes_reads) {
  MemoryNodeStore nodes;
  plant_leaf(nodes, 1, {"a", "b"});
  plant_leaf(nodes, 2, {"c"});
  plant_inner(nodes, 3, 2, {{"b", 1, 2}, {"c", 2, 1}});
  size_t count = 0;
  ASSERT_TRUE(for_range(nodes, {id_of(3), 2, 3}, {}, {}, [&](const EntryView&) -> Status {
    ++count;
    return {};
  }));
  EXPECT_EQ(count, 3u);
}

TEST(HostileNodes, a_node_that_contains_itself_is_corrupt) {
  MemoryNodeStore nodes;
  plant_inner(nodes, 1, 2, {{"b", 1, 5}});
  expect_corrupt(nodes, {id_of(1), 2, 5});
}

TEST(HostileNodes, a_root_that_is_not_what_it_was_called_is_corrupt) {
  MemoryNodeStore nodes;
  plant_leaf(nodes, 1, {"a", "b"});
  expect_corrupt(nodes, {id_of(1), 2, 2});
  expect_corrupt(nodes, {id_of(1), 1, 3});
  expect_corrupt(nodes, {id_of(1), 1, 1});
  expect_corrupt(nodes, {id_of(1), 255, 2});
  expect_corrupt(nodes, {id_of(1), 0, 2});
  expect_corrupt(nodes, {ChunkId{}, 0, 2});
}

TEST(HostileNodes, children_that_overlap_or_overreach_are_corrupt) {
  MemoryNodeStore nodes;
  plant_leaf(nodes, 1, {"a", "b"});
  plant_leaf(nodes, 2, {"b", "d"});
  plant_inner(nodes, 3, 2, {{"b", 1, 2}, {"d", 2, 2}});
  expect_corrupt(nodes, {id_of(3), 2, 4});
  plant_leaf(nodes, 2, {"c", "e"});
  expect_corrupt(nodes, {id_of(3), 2, 4});
  plant_leaf(nodes, 2, {"c", "cc"});
  expect_corrupt(nodes, {id_of(3), 2, 4});
}

TEST(HostileNodes, the_lower_bound_reaches_down_all_levels) {
  MemoryNodeStore nodes;
  plant_leaf(nodes, 1, {"a", "m"});
  plant_leaf(nodes, 2, {"b", "z"});
  plant_inner(nodes, 3, 2, {{"m", 1, 2}});
  plant_inner(nodes, 4, 2, {{"z", 2, 2}});
  plant_inner(nodes, 5, 3, {{"m", 3, 2}, {"z", 4, 2}});
  expect_corrupt(nodes, {id_of(5), 3, 4});
}

TEST(HostileNodes, wrong_counts_are_corrupt) {
  MemoryNodeStore nodes;
  plant_leaf(nodes, 1, {"a", "b"});
  plant_inner(nodes, 3, 2, {{"b", 1, 3}});
  expect_corrupt(nodes, {id_of(3), 2, 3});
  plant_inner(nodes, 3, 2, {{"b", 1, 2}, {"c", 1, uint64_t{1} << 63}});
  expect_corrupt(nodes, {id_of(3), 2, 3});
}

TEST(HostileNodes, children_of_the_wrong_height_are_corrupt) {
  MemoryNodeStore nodes;
  plant_leaf(nodes, 1, {"a", "b"});
  plant_inner(nodes, 2, 3, {{"b", 1, 2}});
  expect_corrupt(nodes, {id_of(2), 3, 2});
  plant_inner(nodes, 2, 2, {{"b", 3, 2}});
  plant_inner(nodes, 3, 2, {{"b", 1, 2}});
  expect_corrupt(nodes, {id_of(2), 2, 2});
}

TEST(HostileNodes, an_editor_over_damage_says_so) {
  MemoryNodeStore nodes;
  plant_leaf(nodes, 1, {"a", "b"});
  plant_leaf(nodes, 2, {"b", "d"});
  plant_inner(nodes, 3, 2, {{"b", 1, 2}, {"d", 2, 2}});
  Editor editor(nodes, Config{}, {id_of(3), 2, 4});
  const Status status = editor.put(as_bytes("c"), {});
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code(), ErrorCode::corrupt);
}

TEST(HostileNodes, a_missing_node_is_not_found) {
  MemoryNodeStore nodes;
  plant_inner(nodes, 3, 2, {{"b", 1, 3}});
  const auto found = look_up(nodes, {id_of(3), 2, 3}, as_bytes("a"));
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().code(), ErrorCode::not_found);
}

TEST(HostileNodes, a_failed_cursor_stays_unusable_until_it_seeks_elsewhere) {
  MemoryNodeStore nodes;
  plant_leaf(nodes, 1, {"a", "b"});
  plant_inner(nodes, 3, 2, {{"b", 1, 2}, {"d", 2, 2}});
  Cursor cursor(nodes, {id_of(3), 2, 4});
  EXPECT_FALSE(cursor.seek(as_bytes("c")));
  EXPECT_FALSE(cursor.valid());
  ASSERT_TRUE(cursor.seek(as_bytes("b")));
  ASSERT_TRUE(cursor.valid());
  EXPECT_FALSE(cursor.next());
  EXPECT_FALSE(cursor.valid());
}

}  // namespace
}  // namespace holdfast::tree
