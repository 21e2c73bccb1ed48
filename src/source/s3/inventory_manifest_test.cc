// SPDX-License-Identifier: Apache-2.0
#include "source/s3/inventory_manifest.h"

#include <gtest/gtest.h>

namespace holdfast::source {
namespace {

const InventoryPlace place{.source_bucket = "photos", .bucket = "reports", .folder = "inv/photos/daily/"};

constexpr std::string_view manifest = R"({
  "sourceBucket": "photos", "destinationBucket": "arn:aws:s3:::reports", "version": "2016-11-30",
  "creationTimestamp": "1764118800123", "fileFormat": "CSV",
  "fileSchema": "Bucket, Key, VersionId, IsLatest, IsDeleteMarker, Size, LastModifiedDate, ETag, StorageClass, IsMultipartUploaded",
  "files": [{"key": "inv/photos/daily/data/939c6d46.csv.gz", "size": 2147483647,
             "MD5checksum": "f11166069f1990abeb9c97ace9cdfabc"}]})";

TEST(InventoryManifest, is_read_as_s3_writes_it) {
  const auto read = decode_inventory_manifest(manifest, place);
  ASSERT_TRUE(read.has_value()) << read.error().message();
  EXPECT_EQ(read->created, 1'764'118'800'123'000'000);
  EXPECT_EQ(read->columns.count, 10u);
  EXPECT_EQ(read->columns.etag, 7u);
  ASSERT_TRUE(read->columns.of_version.has_value());
  EXPECT_EQ(read->columns.of_version->id, 2u);
  ASSERT_EQ(read->files.size(), 1u);
  EXPECT_EQ(read->files[0].key, "inv/photos/daily/data/939c6d46.csv.gz");
  EXPECT_EQ(read->files[0].size_bytes, 2'147'483'647u);
}

TEST(InventoryManifest, in_other_parts_of_the_world_arns_begin_otherwise) {
  std::string text(manifest);
  text.replace(text.find("arn:aws:"), 8, "arn:aws-cn:");
  EXPECT_TRUE(decode_inventory_manifest(text, place).has_value());
  text.replace(text.find(":::reports"), 10, ":::xreports");
  EXPECT_FALSE(decode_inventory_manifest(text, place).has_value());
}

TEST(InventoryManifest, what_s3_does_not_write_is_corrupt) {
  const std::pair<std::string, std::string> edits[] = {
      {"{", ""},
      {"\"1764118800123\"", "1764118800123"},
      {"1764118800123", "-1"},
      {"1764118800123", "999999999999999999"},
      {"Bucket, Key", "Bucket, Key, Key"},
      {"Bucket, Key", "Bucket,, Key"},
      {"[{", "[7, {"},
      {"inv/photos/daily/data/", "inv/photos/data/"},
      {"daily/data/", "daily/./data/"},
      {"daily/data/", "daily/../../x/"},
      {".csv.gz", ".csv"},
      {"2147483647", "0"},
      {"2147483647", "1e30"},
      {"2147483647", "\"7\""},
      {"f11166069f", "f1116606"},
      {"f11166069f", "x11166069f"},
  };
  for (const auto& [from, to] : edits) {
    std::string text(manifest);
    text.replace(text.find(from), from.size(), to);
    const auto read = decode_inventory_manifest(text, place);
    ASSERT_FALSE(read.has_value()) << from << " " << to;
    EXPECT_EQ(read.error().code(), ErrorCode::corrupt) << from << " " << to << ": " << read.error().message();
  }
}

TEST(InventoryDate, folders_of_reports_are_told_from_others) {
  EXPECT_TRUE(is_inventory_date("2026-11-26T01-00Z"));
  for (const std::string name : {"", "data", "hive", "2026-11-26T01-00", "2026-11-26T01-00ZZ", "2026-11-26 01-00Z", "20x6-11-26T01-00Z"}) {
    EXPECT_FALSE(is_inventory_date(name)) << name;
  }
}

}  // namespace
}  // namespace holdfast::source
