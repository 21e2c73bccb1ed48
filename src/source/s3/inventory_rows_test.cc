// SPDX-License-Identifier: Apache-2.0
#include "source/s3/inventory_rows.h"

#include <gtest/gtest.h>

namespace holdfast::source {
namespace {

using Rows = std::vector<std::vector<std::string>>;

Result<Rows> rows_of(std::string_view text, size_t field_count, size_t piece_size) {
  CsvReader reader(field_count);
  Rows rows;
  const CsvReader::Visit visit = [&](std::span<const std::string> fields) -> Status {
    rows.emplace_back(fields.begin(), fields.end());
    return {};
  };
  for (size_t at = 0; at < text.size(); at += piece_size) TRY_DO(reader.feed(text.substr(at, piece_size), visit));
  TRY_DO(reader.finish(visit));
  return rows;
}

TEST(CsvReader, reads_fields_with_and_without_quotes_in_whatever_pieces) {
  const std::string text = "\"a\",\"b\"\r\nc,\"d,\n\"\"e\"\"\"\n,\"\"\nlast,";
  const Rows expected{{"a", "b"}, {"c", "d,\n\"e\""}, {"", ""}, {"last", ""}};
  for (size_t piece = 1; piece <= text.size(); ++piece) EXPECT_EQ(*rows_of(text, 2, piece), expected) << piece;
  EXPECT_EQ(*rows_of("", 2, 1), Rows());
  EXPECT_EQ(*rows_of("a\n", 1, 1), Rows{{"a"}});
}

TEST(CsvReader, refuses_what_is_no_row) {
  for (const std::string text : {"a\n", "a,b,c\n", "\"a\"b,c\n", "a\"b,c\n", "\"a,b\n", "a,b\rc,d\n", "a,b\r", "\n", "\"a\" ,b\n"}) {
    const auto rows = rows_of(text, 2, 100);
    ASSERT_FALSE(rows.has_value()) << text;
    EXPECT_EQ(rows.error().code(), ErrorCode::corrupt);
    EXPECT_NE(rows.error().message().find("row 1: "), std::string::npos) << rows.error().message();
  }
  EXPECT_FALSE(rows_of("\"" + std::string(1 << 20, 'x') + "\",b\n", 2, 4096).has_value());
}

InventoryColumns columns() {
  return {.count = 8, .bucket = 0, .key = 1, .size = 5, .modified = 6, .etag = 7,
          .of_version = InventoryColumns::OfVersion{.id = 2, .is_latest = 3, .is_delete_marker = 4}};
}

TEST(InventoryRow, tells_what_a_listing_would) {
  const std::vector<std::string> fields{"b", "a+b%2B%C3%A9/c", "v", "false", "false", "1234", "2026-11-01T02:03:04.567Z", "\"e-2\""};
  const auto version = decode_inventory_row(fields, columns(), "b");
  ASSERT_TRUE(version.has_value()) << version.error().message();
  EXPECT_EQ(version->key, "a b+\xc3\xa9/c");
  EXPECT_EQ(version->version_id, "v");
  EXPECT_FALSE(version->is_latest);
  EXPECT_EQ(version->size_bytes, 1234u);
  EXPECT_EQ(version->modified % 1'000'000'000, 0);
  EXPECT_EQ(version->etag, "e-2");
}

TEST(InventoryRow, markers_have_neither_size_nor_etag_and_no_version_is_null) {
  const std::vector<std::string> fields{"b", "k", "", "true", "true", "", "2026-11-01T02:03:04.000Z", ""};
  const auto version = decode_inventory_row(fields, columns(), "b");
  ASSERT_TRUE(version.has_value()) << version.error().message();
  EXPECT_TRUE(version->is_delete_marker);
  EXPECT_EQ(version->version_id, "null");
}

}  // namespace
}  // namespace holdfast::source
