// SPDX-License-Identifier: Apache-2.0
#include "format/content.h"

#include <gtest/gtest.h>

#include <string>

namespace holdfast::format {
namespace {

ChunkId id_of(int fill) {
  ChunkId id;
  id.value.fill(static_cast<std::byte>(fill));
  return id;
}

Bytes encoded(const Content& content) {
  Bytes bytes;
  ByteWriter out(bytes);
  encode_content(out, content);
  return bytes;
}

std::optional<Content> decoded(ByteView bytes) {
  ByteReader in(bytes);
  auto content = decode_content(in);
  if (!content || !in.at_end()) return std::nullopt;
  return *content;
}

std::vector<Content> one_of_each() {
  ContentInline full;
  for (int at = 0; at < 32; ++at) full.extents.push_back(Extent::of_chunk(id_of(at + 1), 131072));
  return {
      Content(),
      ContentPiece{id_of(7), 65536},
      ContentInline{{Extent::of_chunk(id_of(9), 4096, 3), Extent::hole(1 << 20), Extent::zeros(5),
                     Extent::of_chunk(id_of(9), UINT32_MAX)}},
      full,
      ContentTree{id_of(8), 32, content_size_bytes_max},
  };
}

TEST(Content, every_form_reads_back_as_written) {
  for (const Content& content : one_of_each()) EXPECT_EQ(decoded(encoded(content)), content);
}

TEST(Content, bytes_are_those_of_the_documented_vector) {
  std::string id;
  for (size_t at = 0; at < ChunkId::size_bytes; ++at) id += "ab";
  EXPECT_EQ(to_hex(encoded(ContentInline{{Extent::of_chunk(id_of(0xab), 4096, 2), Extent::hole(300)}})),
            "0202" "03802002" + id + "01ac02");
}

TEST(Content, every_truncation_is_refused) {
  for (const Content& content : one_of_each()) {
    const Bytes whole = encoded(content);
    for (size_t size = 0; size < whole.size(); ++size) EXPECT_FALSE(decoded(ByteView(whole).first(size)));
  }
}

TEST(Content, sizes_add_up) {
  const auto contents = one_of_each();
  EXPECT_EQ(content_size_bytes(contents[0]), 0u);
  EXPECT_EQ(content_size_bytes(contents[1]), 65536u);
  EXPECT_EQ(content_size_bytes(contents[2]), uint64_t{3} * 4096 + (1 << 20) + 5 + UINT32_MAX);
  EXPECT_EQ(content_size_bytes(contents[4]), content_size_bytes_max);
}

TEST(Content, second_forms_are_refused) {
  const Extent chunk = Extent::of_chunk(id_of(1), 10);
  EXPECT_FALSE(decoded(encoded(ContentInline{{chunk, chunk}}))) << "a repeat written out";
  EXPECT_FALSE(decoded(encoded(ContentInline{{Extent::hole(1), Extent::hole(2)}})));
  EXPECT_FALSE(decoded(encoded(ContentInline{{Extent::zeros(1), Extent::zeros(2)}})));
  EXPECT_TRUE(decoded(encoded(ContentInline{{Extent::zeros(1), Extent::hole(2)}})));
  EXPECT_FALSE(decoded(encoded(ContentInline{}))) << "no content has a form of its own";
  Bytes once_as_repeat;
  ByteWriter out(once_as_repeat);
  for (const int value : {2, 1, 3, 10, 1}) out.u8(static_cast<uint8_t>(value));
  out.raw(id_of(1).view());
  EXPECT_FALSE(decoded(once_as_repeat));
}

TEST(Content, impossible_sizes_are_refused) {
  EXPECT_FALSE(decoded(encoded(ContentPiece{id_of(1), 0})));
  EXPECT_FALSE(decoded(encoded(ContentTree{id_of(1), 0, 1})));
  EXPECT_FALSE(decoded(encoded(ContentTree{id_of(1), 33, 1})));
  EXPECT_FALSE(decoded(encoded(ContentTree{id_of(1), 1, 0})));
  EXPECT_FALSE(decoded(encoded(ContentTree{id_of(1), 1, content_size_bytes_max + 1})));
  EXPECT_FALSE(decoded(encoded(ContentTree{ChunkId{}, 1, 1})));
  ContentInline many;
  for (int at = 0; at < 33; ++at) many.extents.push_back(Extent::of_chunk(id_of(at + 1), 1));
  EXPECT_FALSE(decoded(encoded(many)));
  const Extent vast = Extent::hole(content_size_bytes_max);
  EXPECT_FALSE(decoded(encoded(ContentInline{{vast, Extent::zeros(1)}}))) << "the sum passes the bound";
}

TEST(Content, extents_of_impossible_sizes_are_not_valid) {
  EXPECT_TRUE(is_valid(Extent::of_chunk(id_of(1), 1)));
  EXPECT_FALSE(is_valid(Extent::of_chunk(id_of(1), 0)));
  EXPECT_FALSE(is_valid(Extent::of_chunk(ChunkId{}, 1)));
  EXPECT_FALSE(is_valid(Extent::of_chunk(id_of(1), 1, 0)));
  EXPECT_FALSE(is_valid(Extent::of_chunk(id_of(1), UINT32_MAX, UINT64_MAX / 2)));
  EXPECT_FALSE(is_valid(Extent::hole(0)));
  EXPECT_FALSE(is_valid(Extent::zeros(content_size_bytes_max + 1)));
}

TEST(ExtentNode, leaves_and_inner_nodes_read_back_as_written) {
  Bytes node;
  begin_extent_node(node, 1);
  ByteWriter out(node);
  const std::vector<Extent> extents{Extent::of_chunk(id_of(1), 5), Extent::hole(9), Extent::of_chunk(id_of(1), 5, 7)};
  for (const Extent& extent : extents) encode_extent(out, extent);
  ExtentNodeDecoder decoder;
  ASSERT_TRUE(decoder.open(node));
  for (const Extent& extent : extents) {
    ASSERT_EQ(decoder.next(), ExtentNodeDecoder::Step::entry);
    EXPECT_EQ(decoder.extent(), extent);
  }
  EXPECT_EQ(decoder.next(), ExtentNodeDecoder::Step::end);

  begin_extent_node(node, 2);
  encode_extent_child(out, {id_of(3), 1000});
  ASSERT_TRUE(decoder.open(node));
  ASSERT_EQ(decoder.next(), ExtentNodeDecoder::Step::entry);
  EXPECT_EQ(decoder.child(), (ExtentChild{id_of(3), 1000}));
  EXPECT_EQ(decoder.next(), ExtentNodeDecoder::Step::end);
}

TEST(ExtentNode, damage_is_refused_for_good) {
  ExtentNodeDecoder decoder;
  Bytes node;
  begin_extent_node(node, 1);
  EXPECT_FALSE(decoder.open(node)) << "no entries";
  ByteWriter out(node);
  encode_extent(out, Extent::hole(1));
  encode_extent(out, Extent::hole(1));
  ASSERT_TRUE(decoder.open(node));
  EXPECT_EQ(decoder.next(), ExtentNodeDecoder::Step::entry);
  EXPECT_EQ(decoder.next(), ExtentNodeDecoder::Step::corrupt) << "holes that could be one";
  EXPECT_EQ(decoder.next(), ExtentNodeDecoder::Step::corrupt);
  begin_extent_node(node, 3);
  encode_extent_child(out, {id_of(1), content_size_bytes_max});
  encode_extent_child(out, {id_of(2), 1});
  ASSERT_TRUE(decoder.open(node));
  EXPECT_EQ(decoder.next(), ExtentNodeDecoder::Step::entry);
  EXPECT_EQ(decoder.next(), ExtentNodeDecoder::Step::corrupt) << "the sum passes the bound";
}

}  // namespace
}  // namespace holdfast::format
