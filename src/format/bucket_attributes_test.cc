// SPDX-License-Identifier: Apache-2.0
#include "format/bucket_attributes.h"

#include <gtest/gtest.h>

#include <functional>

#include "crypto/testing.h"

namespace holdfast::format {
namespace {

Bytes encode(const BucketAttributes& attributes) {
  Bytes bytes;
  ByteWriter out(bytes);
  encode_bucket_attributes(out, attributes);
  return bytes;
}

BucketAttributes full_object() {
  BucketAttributes a;
  a.size_bytes = 25;
  a.etag = "d41d8cd98f00b204e9800998ecf8427e-3";
  a.headers = {{"content-type", "text/plain"}, {"x-amz-meta-a", "\xc3\xa4"}};
  a.tags = {{"a", ""}, {"b", "c"}};
  a.storage_class = "GLACIER";
  a.checksums = {{"crc32c", "AAAAAA=="}, {"sha256", "x"}};
  a.checksum_type = "COMPOSITE";
  a.parts = {{2, 10}, {1, 5}};
  a.encryption = "aws:kms";
  a.encryption_key_id = "arn:aws:kms:::key/1";
  a.bucket_key_enabled = true;
  a.lock = {.mode = "GOVERNANCE", .retain_until = 1'700'000'000'000'000'000, .legal_hold = true};
  a.acl = Acl{.owner_id = "o", .owner_name = "", .grants = {{"CanonicalUser", "o", "", "FULL_CONTROL"}}};
  a.replication_status = "REPLICA";
  a.further = {{.tag = 4, .value = "later"}};
  return a;
}

BucketAttributes full_bucket() {
  BucketAttributes a;
  a.type = BucketItemType::bucket;
  a.region = "eu-central-1";
  a.versioning = "Enabled";
  a.object_lock_enabled = true;
  a.ownership = "BucketOwnerEnforced";
  a.tags = {{"t", "1"}};
  a.acl = Acl{};
  return a;
}

TEST(BucketAttributes, come_back) {
  BucketAttributes marker, document, empty_in_one_part;
  marker.type = BucketItemType::delete_marker;
  document.type = BucketItemType::document;
  document.size_bytes = 12;
  document.etag = "00ff";
  empty_in_one_part.parts = {{1, 0}};
  for (const BucketAttributes& a :
       {full_object(), full_bucket(), marker, document, empty_in_one_part, BucketAttributes{}}) {
    const auto back = decode_bucket_attributes(encode(a));
    ASSERT_TRUE(back) << back.error().message();
    EXPECT_EQ(*back, a);
  }
}

// The test vector of docs/format.md 8.4.
TEST(BucketAttributes, vector_of_the_format) {
  BucketAttributes a;
  a.size_bytes = 300;
  a.etag = "ab-2";
  a.tags = {{"k", "v"}};
  a.parts = {{1, 200}, {1, 100}};
  const unsigned char expected[] = {1, 0x8b, 0x01, 0xac, 0x02, 4, 'a', 'b', '-', '2', 1, 1, 'k', 1, 'v',
                                    2, 1,    0xc8, 0x01, 1,    100};
  EXPECT_TRUE(equal(encode(a), std::as_bytes(std::span(expected))));
}

TEST(BucketAttributes, nothing_shorter_or_longer_decodes) {
  for (const BucketAttributes& a : {full_object(), full_bucket()}) {
    Bytes bytes = encode(a);
    for (size_t size = 0; size < bytes.size(); ++size) {
      EXPECT_FALSE(decode_bucket_attributes(ByteView(bytes).first(size))) << size;
    }
    bytes.push_back(std::byte{0});
    EXPECT_FALSE(decode_bucket_attributes(bytes));
  }
}

TEST(BucketAttributes, what_decodes_encodes_to_the_same_bytes) {
  crypto::SeededRng rng(11);
  for (int round = 0; round < 20'000; ++round) {
    Bytes bytes = encode(round % 2 == 0 ? full_object() : full_bucket());
    bytes[rng.below(bytes.size())] = static_cast<std::byte>(rng.below(256));
    const auto back = decode_bucket_attributes(bytes);
    if (!back) continue;
    EXPECT_TRUE(equal(encode(*back), bytes));
  }
}

TEST(BucketAttributes, what_no_bucket_has_is_corrupt) {
  const auto is_refused = [](const std::function<void(BucketAttributes&)>& change) {
    BucketAttributes a = full_object();
    change(a);
    const auto back = decode_bucket_attributes(encode(a));
    return !back && back.error().code() == ErrorCode::corrupt;
  };
  EXPECT_FALSE(is_refused([](BucketAttributes&) {}));
  EXPECT_TRUE(is_refused([](BucketAttributes& a) { a.type = BucketItemType::delete_marker; }));
  EXPECT_TRUE(is_refused([](BucketAttributes& a) { a.type = BucketItemType::bucket; }));
  EXPECT_TRUE(is_refused([](BucketAttributes& a) { a.region = "x"; }));
  EXPECT_TRUE(is_refused([](BucketAttributes& a) { std::swap(a.headers[0], a.headers[1]); }));
  EXPECT_TRUE(is_refused([](BucketAttributes& a) { a.tags[1].name = a.tags[0].name; }));
  EXPECT_TRUE(is_refused([](BucketAttributes& a) { a.headers[0].name.clear(); }));
  EXPECT_TRUE(is_refused([](BucketAttributes& a) { a.parts = {{2, 10}}; }));
  EXPECT_TRUE(is_refused([](BucketAttributes& a) { a.parts = {{2, 10}, {1, 6}}; }));
  EXPECT_TRUE(is_refused([](BucketAttributes& a) { a.parts = {{1, 10}, {1, 10}, {1, 5}}; }));
  EXPECT_TRUE(is_refused([](BucketAttributes& a) { a.parts = {{1, 0}, {1, 25}}; }));
  EXPECT_TRUE(is_refused([](BucketAttributes& a) { a.parts = {{UINT64_MAX, 25}, {1, 25}}; }));
}

// docs/format.md 14.2
TEST(BucketAttributes, what_later_versions_know_is_not_taken_for_damage) {
  BucketAttributes a;
  a.type = static_cast<BucketItemType>(5);
  EXPECT_EQ(decode_bucket_attributes(encode(a)).error().code(), ErrorCode::unsupported);
  const std::array<std::byte, 4> later_field{std::byte{1}, std::byte{0x80}, std::byte{0x80}, std::byte{0x40}};
  EXPECT_EQ(decode_bucket_attributes(later_field).error().code(), ErrorCode::unsupported);
}

TEST(BucketAttributes, parts_of_equal_size_are_one_run) {
  std::vector<PartRun> parts;
  for (const uint64_t size : {8u, 8u, 8u, 3u}) add_part(parts, size);
  EXPECT_EQ(parts, (std::vector<PartRun>{{3, 8}, {1, 3}}));
}

TEST(BucketAttributes, values_are_found_by_name) {
  const std::vector<NamedText> all{{"a", "1"}, {"c", "2"}};
  ASSERT_NE(find_value(all, "c"), nullptr);
  EXPECT_EQ(*find_value(all, "c"), "2");
  EXPECT_EQ(find_value(all, "b"), nullptr);
  EXPECT_EQ(find_value(all, "d"), nullptr);
}

}  // namespace
}  // namespace holdfast::format
