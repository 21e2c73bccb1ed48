// SPDX-License-Identifier: Apache-2.0
#include "source/s3/content_checksum.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "aws/base64.h"

namespace holdfast::source {
namespace {

const std::vector<std::string> blocks{"0123456789", "abcdefghij", "ABCDEFGHIJ", "the end"};

std::string checksum_of(aws::ChecksumKind kind) {
  const auto checksum = aws::make_checksum(kind);
  for (const std::string& block : blocks) checksum->update(as_bytes(block));
  return aws::to_base64(checksum->value());
}

// Whether blocks that come in that order, one of them damaged, are told.
bool is_told(const net::HttpHeaders& headers, const std::vector<size_t>& order, size_t damaged = blocks.size()) {
  ContentChecksum checksum;
  checksum.expect(headers, blocks.size());
  for (const size_t number : order) {
    std::string block = blocks[number];
    if (number == damaged) block[0] ^= 1;
    checksum.read(number, as_bytes(block), checksum.crc_of(as_bytes(block)));
  }
  return checksum.is_wrong();
}

TEST(ContentChecksum, blocks_in_any_order_are_compared_with_a_crc_of_the_whole) {
  for (const aws::ChecksumKind kind : aws::checksum_kinds) {
    if (!aws::is_crc(kind)) continue;
    const net::HttpHeaders headers{{"x-amz-checksum-sha256", "of no use here"},
                                   {"x-amz-checksum-" + std::string(aws::name_of(kind)), checksum_of(kind)}};
    std::vector<size_t> order{0, 1, 2, 3};
    do {
      EXPECT_FALSE(is_told(headers, order));
      for (size_t damaged = 0; damaged < blocks.size(); ++damaged) EXPECT_TRUE(is_told(headers, order, damaged));
    } while (std::next_permutation(order.begin(), order.end()));
    EXPECT_FALSE(is_told(headers, {2, 0, 0, 2, 3, 1, 1, 3})) << "read twice";
    EXPECT_FALSE(is_told(headers, {0, 1, 3}, 0)) << "one never came";
  }
}

TEST(ContentChecksum, without_a_crc_blocks_are_compared_in_their_order) {
  const net::HttpHeaders headers{{"x-amz-checksum-sha256", checksum_of(aws::ChecksumKind::sha256)}};
  EXPECT_FALSE(is_told(headers, {0, 1, 2, 3}));
  EXPECT_TRUE(is_told(headers, {0, 1, 2, 3}, 2));
  EXPECT_FALSE(is_told(headers, {1, 0, 2, 3}, 2)) << "nothing is known";
}

TEST(ContentChecksum, checksums_of_parts_say_nothing) {
  EXPECT_FALSE(is_told({{"x-amz-checksum-crc32", "AAAAAA==-3"}}, {0, 1, 2, 3}));
  EXPECT_FALSE(is_told({}, {0, 1, 2, 3}));
}

}  // namespace
}  // namespace holdfast::source
