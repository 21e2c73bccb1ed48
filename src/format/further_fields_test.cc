// SPDX-License-Identifier: Apache-2.0
#include "format/further_fields.h"

#include <gtest/gtest.h>

#include "format/bucket_attributes.h"
#include "format/file_attributes.h"
#include "format/recovery_point.h"

namespace holdfast::format {
namespace {

const FurtherFields some{{.tag = 2, .value = "a"}, {.tag = 300, .value = ""}};

Bytes encoded(const FurtherFields& fields) {
  Bytes bytes;
  ByteWriter out(bytes);
  encode_further_fields(out, fields);
  return bytes;
}

Result<FurtherFields> decoded(ByteView bytes) {
  ByteReader in(bytes);
  auto fields = TRY(decode_further_fields(in, "test"));
  TRY_DO(in.finish("test"));
  return fields;
}

// docs/format.md 14.2
TEST(FurtherFields, even_tags_are_kept) {
  const Bytes bytes = encoded(some);
  const std::array<std::byte, 7> expected{std::byte{2},    std::byte{2}, std::byte{1}, std::byte{'a'},
                                          std::byte{0xac}, std::byte{2}, std::byte{0}};
  EXPECT_TRUE(equal(bytes, expected));
  const auto read = decoded(bytes);
  ASSERT_TRUE(read.has_value());
  EXPECT_EQ(*read, some);
}

TEST(FurtherFields, odd_tags_need_a_newer_program) {
  const auto read = decoded(encoded({{.tag = 2, .value = "a"}, {.tag = 3, .value = "b"}}));
  ASSERT_FALSE(read.has_value());
  EXPECT_EQ(read.error().code(), ErrorCode::unsupported);
  EXPECT_NE(read.error().message().find("newer version"), std::string::npos);
}

TEST(FurtherFields, any_other_form_is_refused) {
  for (const FurtherFields& fields :
       {FurtherFields{{.tag = 0, .value = ""}}, FurtherFields{{.tag = 4, .value = ""}, {.tag = 4, .value = ""}},
        FurtherFields{{.tag = 4, .value = ""}, {.tag = 2, .value = ""}}}) {
    EXPECT_EQ(decoded(encoded(fields)).error().code(), ErrorCode::corrupt);
  }
  const Bytes bytes = encoded(some);
  for (size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_EQ(decoded(ByteView(bytes).first(size)).error().code(), ErrorCode::corrupt) << size;
  }
}

// What carries them: each keeps what it does not know, byte by byte, and refuses what it must know.
TEST(FurtherFields, files_items_and_points_carry_them) {
  FileAttributes file;
  file.further = some;
  BucketAttributes item;
  item.type = BucketItemType::delete_marker;
  item.further = some;
  RecoveryPoint point;
  point.further = some;
  const auto of_file = [&] {
    Bytes bytes;
    ByteWriter out(bytes);
    encode_file_attributes(out, file);
    return bytes;
  };
  const auto of_item = [&] {
    Bytes bytes;
    ByteWriter out(bytes);
    encode_bucket_attributes(out, item);
    return bytes;
  };
  const auto read_file = decode_file_attributes(of_file());
  const auto read_item = decode_bucket_attributes(of_item());
  const auto read_point = decode_recovery_point(encode(point));
  ASSERT_TRUE(read_file.has_value() && read_item.has_value() && read_point.has_value());
  EXPECT_EQ(*read_file, file);
  EXPECT_EQ(*read_item, item);
  EXPECT_EQ(read_point->further, some);
  EXPECT_TRUE(equal(encode(*read_point), encode(point)));

  file.further[1].tag = item.further[1].tag = point.further[1].tag = 301;
  EXPECT_EQ(decode_file_attributes(of_file()).error().code(), ErrorCode::unsupported);
  EXPECT_EQ(decode_bucket_attributes(of_item()).error().code(), ErrorCode::unsupported);
  EXPECT_EQ(decode_recovery_point(encode(point)).error().code(), ErrorCode::unsupported);
  EXPECT_TRUE(is_of_newer_version(encode(point)));
}

}  // namespace
}  // namespace holdfast::format
