// SPDX-License-Identifier: Apache-2.0
#include "aws/object_checksums.h"

#include <gtest/gtest.h>

#include <array>

#include "base/hash_id.h"

namespace holdfast::aws {
namespace {

std::string sum_of(ChecksumKind kind, ByteView bytes) {
  const auto checksum = make_checksum(kind);
  checksum->update(bytes);
  return to_hex(checksum->value());
}

Bytes filled(size_t count, uint8_t value) { return Bytes(count, std::byte{value}); }
Bytes counting(size_t count, int step, uint8_t first) {
  Bytes bytes(count);
  for (size_t place = 0; place < count; ++place) {
    bytes[place] = static_cast<std::byte>(first + static_cast<int>(place) * step);
  }
  return bytes;
}

// RFC 3720, appendix B.4.
TEST(ObjectChecksumsTest, crc32c_of_iscsi) {
  EXPECT_EQ(sum_of(ChecksumKind::crc32c, filled(32, 0)), "8a9136aa");
  EXPECT_EQ(sum_of(ChecksumKind::crc32c, filled(32, 0xff)), "62a8ab43");
  EXPECT_EQ(sum_of(ChecksumKind::crc32c, counting(32, 1, 0)), "46dd794e");
  EXPECT_EQ(sum_of(ChecksumKind::crc32c, counting(32, -1, 31)), "113fdb5c");
}

// NVM Command Set Specification, 64b CRC test cases.
TEST(ObjectChecksumsTest, crc64_of_nvme) {
  EXPECT_EQ(sum_of(ChecksumKind::crc64nvme, filled(4096, 0)), "6482d367eb22b64e");
  EXPECT_EQ(sum_of(ChecksumKind::crc64nvme, filled(4096, 0xff)), "c0ddba7302eca3ac");
  EXPECT_EQ(sum_of(ChecksumKind::crc64nvme, counting(4096, 1, 0)), "3e729f5f6750449c");
  EXPECT_EQ(sum_of(ChecksumKind::crc64nvme, counting(4096, -1, 0xff)), "9a2df64b8e9e517e");
}

TEST(ObjectChecksumsTest, header_values_are_big_endian_and_in_base64) {
  const ByteView digits = as_bytes(std::string_view("123456789"));
  const std::array<ByteView, 2> parts{digits.first(4), digits.subspan(4)};
  EXPECT_EQ(checksum_value(ChecksumKind::crc32, parts), "y/Q5Jg==");
  EXPECT_EQ(checksum_value(ChecksumKind::crc32c, parts), "4waSgw==");
  EXPECT_EQ(checksum_value(ChecksumKind::crc64nvme, parts), "rosUhgp5mIg=");
  EXPECT_EQ(checksum_value(ChecksumKind::sha256, parts), "FeKw08M4keuw8e9gnsQZQgwg4yDOlMZfvIwzEkSOsiU=");
}

TEST(ObjectChecksumsTest, answers_are_compared_with_every_checksum_of_the_whole) {
  const ByteView digits = as_bytes(std::string_view("123456789"));
  EXPECT_TRUE(verify_checksums({}, digits));
  const net::HttpHeaders right{{"X-Amz-Checksum-Crc64nvme", "rosUhgp5mIg="}, {"x-amz-checksum-crc32", "y/Q5Jg=="}};
  EXPECT_TRUE(verify_checksums(right, digits));
  for (const char* name : {"crc32", "crc32c", "crc64nvme", "sha1", "sha256"}) {
    const net::HttpHeaders headers{{std::string("x-amz-checksum-") + name, "AAAAAA=="}};
    ASSERT_FALSE(verify_checksums(headers, digits)) << name;
    EXPECT_EQ(verify_checksums(headers, digits).error().code(), ErrorCode::corrupt);
  }
  // Of parts, or of a kind that is not known here.
  EXPECT_TRUE(verify_checksums({{"x-amz-checksum-crc32", "AAAAAA==-3"}}, digits));
  EXPECT_TRUE(verify_checksums({{"x-amz-checksum-type", "COMPOSITE"}, {"x-amz-checksum-crc32", "AAAAAA=="}}, digits));
  EXPECT_TRUE(verify_checksums({{"x-amz-checksum-xxhash128", "AAAAAA=="}}, digits));
}

}  // namespace
}  // namespace holdfast::aws
