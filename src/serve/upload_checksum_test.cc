// SPDX-License-Identifier: Apache-2.0
#include "serve/upload_checksum.h"

#include <gtest/gtest.h>

#include "aws/base64.h"

namespace holdfast::serve {
namespace {

using aws::ChecksumKind;

class UploadChecksumTest : public ::testing::Test {
 protected:
  UploadChecksumTest() { request_.headers = &headers_; }
  static Bytes sum_of(ChecksumKind kind, std::string_view text) {
    const auto checksum = aws::make_checksum(kind);
    checksum->update(as_bytes(text));
    return checksum->value();
  }
  static std::string text_of(ChecksumKind kind, std::string_view text) { return aws::to_base64(sum_of(kind, text)); }
  // Parts as a client sent them with checksums of that kind, or with none.
  void upload(std::optional<ChecksumKind> kind) {
    kept_.clear();
    for (const std::string_view text : {"first part,", "", " second part", "."}) {
      UploadedPart part;
      part.size_bytes = text.size();
      if (kind) part.checksum.emplace(*kind, sum_of(*kind, text));
      kept_.push_back(std::move(part));
    }
  }
  // The checksum that comes of it, "none", or the code of the refusal.
  std::string check(net::HttpHeaders headers, std::optional<UploadChecksum> begun_with = std::nullopt) {
    headers_ = std::move(headers);
    std::vector<const UploadedPart*> parts;
    for (const UploadedPart& part : kept_) parts.push_back(&part);
    const auto whole = check_whole(request_, begun_with, parts);
    if (!whole) return whole.error().code;
    return *whole ? aws::to_base64((*whole)->value) : "none";
  }
  std::string begin(net::HttpHeaders headers) {
    headers_ = std::move(headers);
    const auto checksum = checksum_of_upload(request_);
    if (!checksum) return checksum.error().code;
    if (!*checksum) return "none";
    const std::string kind(aws::name_of((*checksum)->kind));
    return kind + ((*checksum)->is_of_whole ? " of the whole" : " of the parts");
  }

  static constexpr std::string_view whole_ = "first part, second part.";
  net::HttpHeaders headers_;
  S3Request request_;
  std::vector<UploadedPart> kept_;
};

TEST_F(UploadChecksumTest, what_is_said_of_the_whole_is_checked_against_the_parts) {
  for (const ChecksumKind kind : {ChecksumKind::crc32, ChecksumKind::crc32c, ChecksumKind::crc64nvme}) {
    upload(kind);
    const std::string name = "x-amz-checksum-" + std::string(aws::name_of(kind)), right = text_of(kind, whole_);
    const UploadChecksum begun_with{.kind = kind, .is_of_whole = true};
    EXPECT_EQ(check({{name, right}, {"x-amz-checksum-type", "FULL_OBJECT"}}, begun_with), right);
    EXPECT_EQ(check({{name, right}}), right);
    EXPECT_EQ(check({}, begun_with), right);
    EXPECT_EQ(check({}), "none");
    EXPECT_EQ(check({{name, text_of(kind, "something else")}}, begun_with), "BadDigest");
    EXPECT_EQ(check({{name, right}, {"x-amz-checksum-type", "COMPOSITE"}}), "BadDigest");
  }
}

TEST_F(UploadChecksumTest, what_is_said_of_the_parts_is_checked_too) {
  for (const ChecksumKind kind : {ChecksumKind::crc32, ChecksumKind::sha1, ChecksumKind::sha256}) {
    upload(kind);
    std::string values;
    for (const UploadedPart& part : kept_) values += as_text(part.checksum->second);
    const std::string name = "x-amz-checksum-" + std::string(aws::name_of(kind)), right = text_of(kind, values);
    EXPECT_EQ(check({{name, right + "-4"}}), "none");
    EXPECT_EQ(check({{name, right}}, UploadChecksum{.kind = kind, .is_of_whole = false}), "none");
    EXPECT_EQ(check({{name, right + "-3"}}), "BadDigest");
    EXPECT_EQ(check({{name, text_of(kind, "else") + "-4"}}), "BadDigest");
    EXPECT_EQ(check({{name, right + "-x"}}), "InvalidRequest");
  }
}

TEST_F(UploadChecksumTest, what_cannot_be_checked_is_refused) {
  const std::string right = text_of(ChecksumKind::crc32, whole_);
  upload(std::nullopt);
  EXPECT_EQ(check({{"x-amz-checksum-crc32", right}}), "InvalidRequest");
  upload(ChecksumKind::sha256);
  EXPECT_EQ(check({{"x-amz-checksum-crc32", right}}), "InvalidRequest");
  const std::string sum = text_of(ChecksumKind::sha256, whole_);
  EXPECT_EQ(check({{"x-amz-checksum-sha256", sum}, {"x-amz-checksum-type", "FULL_OBJECT"}}), "InvalidRequest");
  EXPECT_EQ(check({{"x-amz-checksum-sha256", sum}}, UploadChecksum{.kind = ChecksumKind::crc32}), "InvalidRequest");
  upload(ChecksumKind::crc32);
  EXPECT_EQ(check({{"x-amz-checksum-crc32", right}, {"x-amz-checksum-sha256", sum}}), "InvalidRequest");
  EXPECT_EQ(check({{"x-amz-checksum-crc32", right}, {"x-amz-checksum-type", "OTHER"}}), "InvalidRequest");
  EXPECT_EQ(check({{"x-amz-checksum-crc32", "nonsense"}}), "InvalidRequest");
}

TEST_F(UploadChecksumTest, an_upload_says_what_checksum_it_will_have) {
  EXPECT_EQ(begin({}), "none");
  EXPECT_EQ(begin({{"x-amz-checksum-algorithm", "CRC32"}}), "crc32 of the parts");
  EXPECT_EQ(begin({{"x-amz-checksum-algorithm", "CRC32"}, {"x-amz-checksum-type", "FULL_OBJECT"}}),
            "crc32 of the whole");
  EXPECT_EQ(begin({{"x-amz-checksum-algorithm", "CRC64NVME"}}), "crc64nvme of the whole");
  EXPECT_EQ(begin({{"x-amz-checksum-algorithm", "SHA256"}}), "sha256 of the parts");
  EXPECT_EQ(begin({{"x-amz-checksum-algorithm", "SHA256"}, {"x-amz-checksum-type", "FULL_OBJECT"}}), "InvalidRequest");
  EXPECT_EQ(begin({{"x-amz-checksum-algorithm", "XXHASH64"}}), "NotImplemented");
  EXPECT_EQ(begin({{"x-amz-checksum-type", "FULL_OBJECT"}}), "InvalidRequest");
}

}  // namespace
}  // namespace holdfast::serve
