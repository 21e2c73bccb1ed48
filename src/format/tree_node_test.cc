// SPDX-License-Identifier: Apache-2.0
#include "format/tree_node.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "base/byte_io.h"

namespace holdfast::format {
namespace {

using Entries = std::vector<std::pair<std::string, std::string>>;

Bytes leaf_of(const Entries& entries) {
  Bytes node;
  begin_tree_node(node, 1);
  std::string before;
  for (const auto& [key, value] : entries) {
    append_tree_entry(node, as_bytes(key), common_prefix(as_bytes(before), as_bytes(key)), as_bytes(value));
    before = key;
  }
  return node;
}

// What the node holds, or nothing if it is refused.
std::optional<Entries> read_leaf(ByteView node) {
  TreeNodeDecoder decoder;
  if (!decoder.open(node) || decoder.height() != 1) return std::nullopt;
  Entries entries;
  NodeStep step;
  while ((step = decoder.next()) == NodeStep::entry)
    entries.emplace_back(as_text(decoder.key()), as_text(decoder.value()));
  if (step == NodeStep::corrupt) return std::nullopt;
  return entries;
}

Bytes bytes_of(std::initializer_list<int> values) {
  Bytes bytes;
  for (const int value : values) bytes.push_back(static_cast<std::byte>(value));
  return bytes;
}

TEST(TreeNode, a_leaf_reads_back_as_written) {
  const Entries entries{{"", "root"}, {"a", ""}, {"etc", "x"}, {"etc/passwd", std::string(300, 'p')}, {"usr", "y"}};
  EXPECT_EQ(read_leaf(leaf_of(entries)), entries);
}

TEST(TreeNode, bytes_are_those_of_the_documented_vector) {
  EXPECT_EQ(to_hex(leaf_of({{"etc", "A"}, {"etc/passwd", "BC"}})), "0101000301657463410307022f7061737377644243");
}

TEST(TreeNode, an_inner_node_reads_back_as_written) {
  ChunkId id;
  id.value.fill(std::byte{0x11});
  const TreeChild first{id, 1000, true};
  id.value.fill(std::byte{0x22});
  const TreeChild second{id, uint64_t{1} << 62, false};
  Bytes node;
  begin_tree_node(node, 2);
  append_tree_child(node, as_bytes("abc"), 0, first);
  append_tree_child(node, as_bytes("abd"), 2, second);
  TreeNodeDecoder decoder;
  ASSERT_TRUE(decoder.open(node));
  EXPECT_EQ(decoder.height(), 2);
  ASSERT_EQ(decoder.next(), NodeStep::entry);
  EXPECT_EQ(as_text(decoder.key()), "abc");
  EXPECT_EQ(decoder.child(), first);
  ASSERT_EQ(decoder.next(), NodeStep::entry);
  EXPECT_EQ(as_text(decoder.key()), "abd");
  EXPECT_EQ(decoder.child(), second);
  EXPECT_EQ(decoder.next(), NodeStep::end);
}

TEST(TreeNode, every_truncation_is_refused_or_ends_between_entries) {
  const Entries entries{{"alpha", "1"}, {"alphabet", "22"}, {"beta", "333"}};
  const Bytes whole = leaf_of(entries);
  size_t readable = 0;
  for (size_t size = 0; size < whole.size(); ++size) {
    const auto read = read_leaf(ByteView(whole).first(size));
    if (!read) continue;
    ++readable;
    EXPECT_EQ(leaf_of(*read), to_bytes(ByteView(whole).first(size)));
  }
  EXPECT_EQ(readable, 2u);
}

TEST(TreeNode, second_forms_of_the_same_entries_are_refused) {
  ASSERT_TRUE(read_leaf(bytes_of({1, 1, 0, 1, 0, 'a', 1, 1, 0, 'b'})));
  EXPECT_FALSE(read_leaf(bytes_of({1, 1, 0, 1, 0, 'a', 0, 2, 0, 'a', 'b'}))) << "shares less than it could";
  EXPECT_FALSE(read_leaf(bytes_of({1, 1, 0, 0x81, 0, 0, 'a'}))) << "padded varint";
}

TEST(TreeNode, disorder_and_impossible_lengths_are_refused) {
  EXPECT_FALSE(read_leaf(bytes_of({1, 1, 0, 1, 0, 'b', 0, 1, 0, 'a'}))) << "descending";
  EXPECT_FALSE(read_leaf(bytes_of({1, 1, 0, 1, 0, 'b', 1, 0, 0}))) << "the same key twice";
  EXPECT_FALSE(read_leaf(bytes_of({1, 1, 0, 2, 0, 'b', 'c', 1, 0, 0}))) << "a prefix after the longer key";
  EXPECT_FALSE(read_leaf(bytes_of({1, 1, 1, 1, 0, 'b'}))) << "shares with nothing";
  EXPECT_FALSE(read_leaf(bytes_of({1, 1, 0, 1, 9, 'b'}))) << "value beyond the node";
  EXPECT_FALSE(read_leaf(bytes_of({1, 1}))) << "no entries";
  EXPECT_FALSE(read_leaf(bytes_of({2, 1, 0, 1, 0, 'b'}))) << "other kind";
  EXPECT_FALSE(read_leaf(bytes_of({1, 0, 0, 1, 0, 'b'}))) << "height 0";
  EXPECT_FALSE(read_leaf(bytes_of({1, 33, 0, 1, 0, 'b'}))) << "too high";
  EXPECT_FALSE(read_leaf(leaf_of({{std::string(tree_key_size_bytes_max + 1, 'k'), ""}})));
  EXPECT_FALSE(read_leaf(leaf_of({{"k", std::string(tree_value_size_bytes_max + 1, 'v')}})));
  EXPECT_TRUE(read_leaf(leaf_of({{std::string(tree_key_size_bytes_max, 'k'), std::string(65536, 'v')}})));
}

TEST(TreeNode, children_without_entries_or_name_are_refused) {
  TreeNodeDecoder decoder;
  Bytes node;
  begin_tree_node(node, 2);
  append_tree_child(node, as_bytes("k"), 0, {ChunkId{}, 1, false});
  ASSERT_TRUE(decoder.open(node));
  EXPECT_EQ(decoder.next(), NodeStep::corrupt);
  EXPECT_EQ(decoder.next(), NodeStep::corrupt) << "it stays corrupt";
  ChunkId id;
  id.value.fill(std::byte{1});
  begin_tree_node(node, 2);
  append_tree_child(node, as_bytes("k"), 0, {id, 0, true});
  ASSERT_TRUE(decoder.open(node));
  EXPECT_EQ(decoder.next(), NodeStep::corrupt);
}

TEST(TreeNode, common_prefix_counts_equal_leading_bytes) {
  for (size_t size = 0; size < 40; ++size) {
    const std::string left(size, 'x');
    EXPECT_EQ(common_prefix(as_bytes(left), as_bytes(left + "y")), size);
    for (size_t at = 0; at < size; ++at) {
      std::string right = left;
      right[at] = static_cast<char>(0xff);
      EXPECT_EQ(common_prefix(as_bytes(left), as_bytes(right)), at);
    }
  }
}

}  // namespace
}  // namespace holdfast::format
