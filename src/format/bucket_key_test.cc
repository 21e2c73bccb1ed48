// SPDX-License-Identifier: Apache-2.0
#include "format/bucket_key.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "crypto/testing.h"

namespace holdfast::format {
namespace {

using namespace std::string_literals;

Bytes from_hex(std::string_view text) {
  Bytes bytes;
  const auto digit = [](char c) { return static_cast<unsigned>(c <= '9' ? c - '0' : c - 'a' + 10); };
  for (size_t at = 0; at + 1 < text.size(); at += 2) {
    bytes.push_back(static_cast<std::byte>(digit(text[at]) * 16 + digit(text[at + 1])));
  }
  return bytes;
}

// The test vectors of docs/format.md 8.3.
TEST(BucketKey, vectors_of_the_format) {
  const VersionKey version{.key = "a\0b"s, .modified = 1'700'000'000'000'000'000, .rank = 1, .version_id = "null"};
  EXPECT_TRUE(equal(encode_version_key(version), from_hex("6100ff620001"
                                                          "68686301c9d5ffff"
                                                          "fffffffe"
                                                          "6e756c6c")));
  EXPECT_TRUE(equal(encode_bucket_item_key("cors"), from_hex("0001636f7273")));
}

std::vector<VersionKey> sample() {
  std::vector<VersionKey> all;
  for (const std::string& key : {"\0"s, "\0\1"s, "\0\xff"s, "\1"s, "a"s, "a\0"s, "a\0\0"s, "a\0\1"s, "a\1"s, "a/"s, "ab"s, "\xff"s,
                                 "\xff\xff"s}) {
    for (const UnixTimeNs modified : {INT64_MIN, int64_t{-1}, int64_t{0}, int64_t{1'700'000'000'000'000'000}, INT64_MAX}) {
      for (const uint32_t rank : {0u, 1u, 256u, UINT32_MAX}) {
        for (const std::string& id : {"null"s, "\0"s, "x\0\1y"s}) all.push_back({key, modified, rank, id});
      }
    }
  }
  return all;
}

TEST(BucketKey, versions_come_back) {
  for (const VersionKey& version : sample()) {
    const Bytes key = encode_version_key(version);
    const auto back = decode_version_key(key);
    ASSERT_TRUE(back) << back.error().message();
    EXPECT_EQ(*back, version);
    EXPECT_EQ(*decode_object_key(key), version.key);
    EXPECT_FALSE(is_bucket_item_key(key));
  }
}

TEST(BucketKey, order_is_by_object_key_then_newest_first) {
  std::vector<VersionKey> all = sample();
  crypto::SeededRng rng(7);
  for (size_t at = all.size(); at > 1; --at) std::swap(all[at - 1], all[rng.below(at)]);
  std::sort(all.begin(), all.end(), [](const VersionKey& a, const VersionKey& b) {
    return compare(encode_version_key(a), encode_version_key(b)) < 0;
  });
  for (size_t at = 1; at < all.size(); ++at) {
    const VersionKey &before = all[at - 1], &after = all[at];
    ASSERT_LE(before.key, after.key);
    if (before.key != after.key) continue;
    ASSERT_GE(before.modified, after.modified);
    ASSERT_TRUE(before.modified > after.modified || before.rank >= after.rank);
  }
  const Bytes item = encode_bucket_item_key("policy");
  EXPECT_TRUE(compare(item, encode_version_key(all.front())) < 0);
}

TEST(BucketKey, ranges_hold_the_versions_of_one_key_and_the_keys_of_one_prefix) {
  for (const VersionKey& version : sample()) {
    const Bytes entry_key = encode_version_key(version);
    const auto inside = [&](const KeyRange& range) {
      return compare(entry_key, range.from) >= 0 && (range.to.empty() || compare(entry_key, range.to) < 0);
    };
    for (const std::string& key : {"\0"s, "\0\1"s, "a"s, "a\0"s, "a\1"s, "\xff"s}) {
      EXPECT_EQ(inside(range_of_versions(key)), version.key == key);
      EXPECT_EQ(compare(entry_key, after_versions(key)) >= 0, version.key > key);
    }
    for (const std::string& prefix : {""s, "\0"s, "a"s, "a\0"s, "\xff"s, "\xff\xff"s}) {
      EXPECT_EQ(inside(range_of_prefix(prefix)), version.key.starts_with(prefix));
    }
  }
  EXPECT_TRUE(compare(encode_bucket_item_key("zzz"), range_of_prefix("").from) < 0);
}

TEST(BucketKey, what_is_no_key_is_refused) {
  const Bytes good = encode_version_key({.key = "key", .modified = 5, .rank = 0, .version_id = "v"});
  for (size_t size = 0; size < good.size(); ++size) {
    EXPECT_FALSE(decode_version_key(ByteView(good).first(size))) << size;
    EXPECT_FALSE(decode_object_key(ByteView(good).first(size))) << size;
  }
  EXPECT_FALSE(decode_version_key(from_hex("6100020000000000000000000000000076")));
  EXPECT_FALSE(decode_version_key(encode_bucket_item_key("a name that is as long as a tail")));
  EXPECT_FALSE(decode_bucket_item_key(good));
  EXPECT_EQ(*decode_bucket_item_key(encode_bucket_item_key("")), "");
}

}  // namespace
}  // namespace holdfast::format
