// SPDX-License-Identifier: Apache-2.0
#include "tree/content_list.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <set>
#include <string>

#include "tree/testing.h"

namespace holdfast::tree {
namespace {

using format::Content;
using format::ContentInline;
using format::ContentPiece;
using format::ContentTree;
using format::Extent;
using format::ExtentKind;
using Random = std::mt19937_64;

Config config_of(uint32_t mean, uint32_t max) {
  Config config;
  config.node_size_bytes_mean = mean;
  config.node_size_bytes_max = max;
  config.boundary_key.fill(std::byte{7});
  return config;
}

// Ordinary, forced splits only, every extent a boundary, and far below one extent.
const std::vector<Config>& configs() {
  static const std::vector<Config> all{config_of(256, 1024), config_of(UINT32_MAX, 300), config_of(1, 1024),
                                       config_of(64, 10)};
  return all;
}

Extent chunk_of(uint64_t number, uint32_t size_bytes = 1000) {
  return Extent::of_chunk(MemoryNodeStore::name(as_bytes(std::to_string(number))), size_bytes);
}

// Few distinct chunks, so that neighbours are often equal.
Extent random_extent(Random& random) {
  switch (random() % 8) {
    case 0: return Extent::hole(1 + random() % 100'000);
    case 1: return Extent::zeros(1 + random() % 100'000);
    case 2: {
      Extent extent = chunk_of(random() % 5);
      extent.repeat = 1 + random() % 10;
      return extent;
    }
    default: return chunk_of(random() % 50, static_cast<uint32_t>(1 + random() % 3));
  }
}

Content built(NodeStore& nodes, const Config& config, const std::vector<Extent>& extents) {
  ContentBuilder builder(nodes, config);
  for (const Extent& extent : extents) EXPECT_TRUE(builder.append(extent));
  auto content = builder.finish();
  EXPECT_TRUE(content) << content.error().message();
  return *content;
}

// What must come out: neighbours that say the same are one.
std::vector<Extent> merged(const std::vector<Extent>& extents) {
  std::vector<Extent> result;
  for (const Extent& extent : extents) {
    if (!result.empty() && can_merge(result.back(), extent)) {
      if (extent.kind == ExtentKind::chunk) {
        result.back().repeat += extent.repeat;
      } else {
        result.back().gap_size_bytes += extent.gap_size_bytes;
      }
    } else {
      result.push_back(extent);
    }
  }
  return result;
}

std::vector<Extent> read_all(NodeStore& nodes, const Content& content) {
  ContentReader reader(nodes, content);
  EXPECT_TRUE(reader.seek(0));
  std::vector<Extent> extents;
  uint64_t offset_bytes = 0;
  while (reader.valid()) {
    EXPECT_EQ(reader.offset_bytes(), offset_bytes);
    offset_bytes += reader.extent().size_bytes();
    extents.push_back(reader.extent());
    EXPECT_TRUE(reader.next());
  }
  EXPECT_EQ(offset_bytes, content_size_bytes(content));
  return extents;
}

TEST(ContentList, nothing_is_no_content) {
  MemoryNodeStore nodes;
  EXPECT_EQ(built(nodes, configs()[0], {}), Content());
  EXPECT_TRUE(read_all(nodes, Content()).empty());
}

TEST(ContentList, up_to_32_extents_are_inline_and_more_are_a_tree) {
  MemoryNodeStore nodes;
  std::vector<Extent> extents;
  for (uint64_t at = 0; at < 32; ++at) extents.push_back(chunk_of(at));
  EXPECT_EQ(built(nodes, configs()[0], extents), Content(ContentInline{extents}));
  EXPECT_EQ(nodes.put_count, 0u);
  extents.push_back(extents.back());
  EXPECT_TRUE(std::holds_alternative<ContentInline>(built(nodes, configs()[0], extents))) << "a repeat is no extent";
  extents.push_back(chunk_of(99));
  const Content tree = built(nodes, configs()[0], extents);
  ASSERT_TRUE(std::holds_alternative<ContentTree>(tree));
  EXPECT_EQ(content_size_bytes(tree), 34'000u);
  EXPECT_EQ(read_all(nodes, tree), merged(extents));
}

TEST(ContentList, random_contents_read_back_however_they_were_appended) {
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Random random(seed);
    for (const Config& config : configs()) {
      MemoryNodeStore nodes;
      std::vector<Extent> extents(random() % 800);
      for (Extent& extent : extents) extent = random_extent(random);
      const Content content = built(nodes, config, extents);
      ASSERT_EQ(read_all(nodes, content), merged(extents));
      ASSERT_EQ(built(nodes, config, merged(extents)), content);
      Bytes encoded;
      ByteWriter out(encoded);
      format::encode_content(out, content);
      ByteReader in(encoded);
      ASSERT_EQ(*format::decode_content(in), content);
    }
  }
}

TEST(ContentList, seeking_finds_the_extent_that_holds_the_byte) {
  for (const size_t count : {10u, 1000u}) {
    MemoryNodeStore nodes;
    Random random(count);
    std::vector<Extent> extents(count);
    for (Extent& extent : extents) extent = random_extent(random);
    extents = merged(extents);
    std::map<uint64_t, Extent> places;
    uint64_t size_bytes = 0;
    for (const Extent& extent : extents) {
      places[size_bytes] = extent;
      size_bytes += extent.size_bytes();
    }
    const Content content = built(nodes, configs()[0], extents);
    ContentReader reader(nodes, content);
    for (int at = 0; at < 2000; ++at) {
      uint64_t offset_bytes = random() % (size_bytes + 10);
      if (at % 3 == 0) offset_bytes = std::next(places.begin(), static_cast<int>(random() % places.size()))->first;
      ASSERT_TRUE(reader.seek(offset_bytes));
      ASSERT_EQ(reader.valid(), offset_bytes < size_bytes);
      if (!reader.valid()) continue;
      auto place = std::prev(places.upper_bound(offset_bytes));
      ASSERT_EQ(reader.offset_bytes(), place->first);
      ASSERT_EQ(reader.extent(), place->second);
      ASSERT_TRUE(reader.next());
      ASSERT_EQ(reader.valid(), ++place != places.end());
      if (reader.valid()) {
        ASSERT_EQ(reader.offset_bytes(), place->first);
      }
    }
  }
}

TEST(ContentList, a_seek_fetches_one_path) {
  MemoryNodeStore nodes;
  std::vector<Extent> extents;
  for (uint64_t at = 0; at < 50'000; ++at) extents.push_back(chunk_of(at));
  const Content content = built(nodes, config_of(1024, 8192), extents);
  nodes.get_count = 0;
  ContentReader reader(nodes, content);
  ASSERT_TRUE(reader.seek(40'000'500));
  EXPECT_EQ(reader.extent(), extents[40'000]);
  EXPECT_EQ(nodes.get_count, std::get<ContentTree>(content).height);
}

TEST(ContentList, an_insertion_changes_only_the_nodes_around_it) {
  MemoryNodeStore nodes;
  const Config config = config_of(1024, 8192);
  std::vector<Extent> extents;
  for (uint64_t at = 0; at < 50'000; ++at) extents.push_back(chunk_of(at));
  built(nodes, config, extents);
  const size_t before = nodes.node_count();
  ASSERT_GT(before, 1000u);
  extents.insert(extents.begin() + 300, chunk_of(1'000'000, 1234));
  built(nodes, config, extents);
  EXPECT_LE(nodes.node_count() - before, 12u) << "new nodes, of " << before;
}

TEST(ContentList, impossible_extents_and_sums_are_refused) {
  MemoryNodeStore nodes;
  ContentBuilder builder(nodes, configs()[0]);
  EXPECT_EQ(builder.append(Extent::hole(0)).error().code(), ErrorCode::invalid);
  EXPECT_EQ(builder.append(chunk_of(1, 0)).error().code(), ErrorCode::invalid);
  ASSERT_TRUE(builder.append(Extent::hole(format::content_size_bytes_max - 1)));
  ASSERT_TRUE(builder.append(Extent::hole(1)));
  EXPECT_EQ(builder.size_bytes(), format::content_size_bytes_max);
  EXPECT_EQ(builder.append(Extent::hole(1)).error().code(), ErrorCode::invalid);
}

TEST(ContentList, visiting_names_every_chunk_piece_and_node) {
  MemoryNodeStore nodes;
  Random random(3);
  std::vector<Extent> extents(700);
  for (Extent& extent : extents) extent = random_extent(random);
  extents = merged(extents);
  const Content content = built(nodes, configs()[0], extents);
  std::vector<ChunkId> expected, chunks;
  for (const Extent& extent : extents) {
    if (extent.kind == ExtentKind::chunk) expected.push_back(extent.chunk);
  }
  std::set<ChunkId> seen;  // Equal stretches of content share nodes.
  const auto take = [&](const ChunkId& id, uint32_t) -> Status {
    chunks.push_back(id);
    return {};
  };
  ASSERT_TRUE(visit_content(nodes, content, {take, nullptr, [&](const ChunkId& id, uint8_t) -> Result<bool> {
                                               seen.insert(id);
                                               return true;
                                             }}));
  EXPECT_EQ(chunks, expected);
  EXPECT_EQ(seen.size(), nodes.node_count());
  chunks.clear();
  ASSERT_TRUE(for_each_chunk(nodes, content, take));
  EXPECT_EQ(chunks, expected);

  nodes.get_count = 0;
  ASSERT_TRUE(visit_content(nodes, content, {take, nullptr, [](const ChunkId&, uint8_t) -> Result<bool> {
                                               return false;
                                             }}));
  EXPECT_EQ(nodes.get_count, 0u);

  chunks.clear();
  const ContentPiece piece{MemoryNodeStore::name({}), 5};
  ASSERT_TRUE(visit_content(nodes, piece, {nullptr, take, nullptr}));
  EXPECT_EQ(chunks, (std::vector<ChunkId>{piece.piece}));
  chunks.clear();
  ASSERT_TRUE(for_each_chunk(nodes, piece, take));
  EXPECT_TRUE(chunks.empty());
}

ErrorCode reading_fails_with(NodeStore& nodes, const ContentTree& tree) {
  ContentReader reader(nodes, tree);
  Status status = reader.seek(0);
  while (status && reader.valid()) status = reader.next();
  const Status visited = for_each_chunk(nodes, tree, [](const ChunkId&, uint32_t) -> Status { return {}; });
  EXPECT_FALSE(status);
  EXPECT_FALSE(visited);
  if (status || visited) return ErrorCode::internal;
  EXPECT_EQ(status.error().code(), visited.error().code());
  return status.error().code();
}

TEST(ContentList, nodes_that_lie_are_corrupt) {
  MemoryNodeStore nodes;
  Bytes node;
  ByteWriter out(node);
  const ChunkId leaf = MemoryNodeStore::name(as_bytes("leaf")), inner = MemoryNodeStore::name(as_bytes("inner"));
  format::begin_extent_node(node, 1);
  format::encode_extent(out, chunk_of(1, 10));
  nodes.plant(leaf, node);
  EXPECT_EQ(read_all(nodes, ContentTree{leaf, 1, 10}).size(), 1u);
  EXPECT_EQ(reading_fails_with(nodes, {leaf, 1, 11}), ErrorCode::corrupt);
  EXPECT_EQ(reading_fails_with(nodes, {leaf, 2, 10}), ErrorCode::corrupt);
  EXPECT_EQ(reading_fails_with(nodes, {leaf, 200, 10}), ErrorCode::corrupt);
  EXPECT_EQ(reading_fails_with(nodes, {leaf, 0, 10}), ErrorCode::corrupt);
  EXPECT_EQ(reading_fails_with(nodes, {inner, 2, 10}), ErrorCode::not_found);

  format::begin_extent_node(node, 2);
  format::encode_extent_child(out, {inner, 10});
  nodes.plant(inner, node);
  EXPECT_EQ(reading_fails_with(nodes, {inner, 2, 10}), ErrorCode::corrupt) << "it contains itself";
  format::begin_extent_node(node, 2);
  format::encode_extent_child(out, {leaf, 9});
  nodes.plant(inner, node);
  EXPECT_EQ(reading_fails_with(nodes, {inner, 2, 9}), ErrorCode::corrupt);
}

}  // namespace
}  // namespace holdfast::tree
