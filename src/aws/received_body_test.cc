// SPDX-License-Identifier: Apache-2.0
#include "aws/received_body.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstring>

#include "aws/base64.h"
#include "base/hash_id.h"

namespace holdfast::aws {
namespace {

constexpr UnixTimeNs signed_at = 1'440'938'160'000'000'000;

class BodyTest : public ::testing::Test {
 protected:
  BodyTest() {
    keys_.access_key_id = "AKID";
    keys_.secret_access_key = crypto::SecretBytes::from(as_bytes("secret"));
    verified_.credentials = &keys_;
    verified_.scope = {.region = "us-east-1", .service = "s3", .path_rule = PathRule::as_sent};
    verified_.signed_at = signed_at;
    verified_.signature = std::string(64, 'a');
  }
  // What the body comes to: its bytes, or the code of the refusal. Reads in pieces of every size.
  std::string take(const std::string& wire, std::optional<uint64_t> wire_size = {}) {
    const auto terms = body_terms(headers_, verified_, wire_size.value_or(wire.size()), size_max_,
                                  checksum_of_);
    if (!terms) return terms.error().code;
    size_t at = 0;
    const WireReader reader = [&](MutableByteView out) -> Result<size_t> {
      const size_t size = std::min({out.size(), wire.size() - at, at % 13 + 1});
      std::memcpy(out.data(), wire.data() + at, size);
      at += size;
      return size;
    };
    ReceivedBody body(reader, verified_, *terms);
    std::string got;
    Bytes piece(11);
    while (true) {
      const auto size = body.read(piece);
      if (!size) return size.error().code;
      if (*size == 0) break;
      got += as_text(ByteView(piece).first(*size));
    }
    md5_ = to_hex(body.md5());
    EXPECT_EQ(body.size_bytes(), got.size());
    return got;
  }
  void chunked(PayloadMode mode, bool has_trailer, uint64_t size_bytes) {
    verified_.payload = mode;
    verified_.has_trailer = has_trailer;
    headers_.push_back({"x-amz-decoded-content-length", std::to_string(size_bytes)});
  }
  std::string signed_chunks(const std::vector<std::string>& chunks, const std::string& trailer = {}) {
    ChunkSigner signer(verified_.scope, keys_, signed_at, verified_.signature);
    std::string wire;
    for (const std::string& chunk : chunks) {
      wire += fmt::format("{:x};chunk-signature={}\r\n{}\r\n", chunk.size(), signer.sign_chunk(as_bytes(chunk)), chunk);
    }
    wire += fmt::format("0;chunk-signature={}\r\n", signer.sign_chunk({}));
    if (!trailer.empty()) {
      wire += trailer + "\r\nx-amz-trailer-signature:" + signer.sign_trailer(trailer + "\n") + "\r\n";
    }
    return wire + "\r\n";
  }

  Credentials keys_;
  Verified verified_;
  net::HttpHeaders headers_;
  uint64_t size_max_ = 1000;
  ChecksumOf checksum_of_ = ChecksumOf::body;
  std::string md5_;
};

TEST_F(BodyTest, a_plain_body_comes_as_it_is) {
  EXPECT_EQ(take("some bytes"), "some bytes");
  EXPECT_EQ(md5_, "9d0568469d206c1aedf1b71f12f474bc");
  EXPECT_EQ(take(""), "");
}

TEST_F(BodyTest, a_body_must_have_the_length_it_says) {
  EXPECT_EQ(take("some bytes", 11), "IncompleteBody");
  EXPECT_EQ(take("some bytes", 9), "InvalidRequest");
  EXPECT_EQ(take("some bytes", 1001), "EntityTooLarge");
  verified_.payload = PayloadMode::chunks;
  EXPECT_EQ(take("0\r\n\r\n"), "MissingContentLength");
}

TEST_F(BodyTest, a_body_must_have_the_hash_that_was_signed) {
  verified_.payload = PayloadMode::hashed;
  const ByteView body = as_bytes("abc");
  verified_.payload_hash = payload_hash({&body, 1});
  EXPECT_EQ(take("abc"), "abc");
  EXPECT_EQ(take("abd"), "XAmzContentSHA256Mismatch");
}

TEST_F(BodyTest, checksums_are_checked) {
  headers_ = {{"Content-MD5", "kAFQmDzST7DWlj99KOF/cg=="}};
  EXPECT_EQ(take("abc"), "abc");
  EXPECT_EQ(take("abd"), "BadDigest");
  headers_ = {{"Content-MD5", "kAFQ"}};
  EXPECT_EQ(take("abc"), "InvalidDigest");
  headers_ = {{"x-amz-sdk-checksum-algorithm", "CRC32"}, {"X-Amz-Checksum-Crc32", "y/Q5Jg=="}};
  EXPECT_EQ(take("123456789"), "123456789");
  EXPECT_EQ(take("12345678"), "BadDigest");
  headers_.push_back({"x-amz-checksum-sha1", "qZk+NkcGgWq6PiVxeFDCbJzQ2J0="});
  EXPECT_EQ(take("123456789"), "InvalidRequest");
  headers_ = {{"x-amz-checksum-crc32", "y/Q5"}};
  EXPECT_EQ(take("123456789"), "InvalidRequest");
  headers_ = {{"x-amz-checksum-crc32", "y/Q5Jg=="}};
  checksum_of_ = ChecksumOf::object;
  EXPECT_EQ(take("a list of parts"), "a list of parts");
}

TEST_F(BodyTest, signed_chunks_are_put_together) {
  chunked(PayloadMode::chunks, false, 9);
  EXPECT_EQ(take(signed_chunks({"1234", "567", "89"})), "123456789");
  EXPECT_EQ(take(signed_chunks({"123456789"})), "123456789");
}

TEST_F(BodyTest, chunks_cannot_be_changed_left_out_or_exchanged) {
  chunked(PayloadMode::chunks, false, 9);
  const std::string good = signed_chunks({"1234", "567", "89"});
  std::string changed = good;
  changed.replace(changed.find("1234\r\n"), 4, "1235");
  EXPECT_EQ(take(changed), "SignatureDoesNotMatch");
  EXPECT_EQ(take(good.substr(good.find("3;chunk"))), "SignatureDoesNotMatch");
  std::string exchanged = good;
  const size_t second = good.find("3;chunk"), third = good.find("2;chunk"), last = good.find("0;chunk");
  exchanged = good.substr(0, second) + good.substr(third, last - third) + good.substr(second, third - second) +
              good.substr(last);
  EXPECT_EQ(take(exchanged), "SignatureDoesNotMatch");
  // The bytes are right, but their end was not signed.
  EXPECT_EQ(take(good.substr(0, last) + "0;chunk-signature=" + std::string(64, '0') + "\r\n\r\n"),
            "SignatureDoesNotMatch");
}

TEST_F(BodyTest, framing_that_lies_is_refused) {
  chunked(PayloadMode::unsigned_chunks, true, 4);
  EXPECT_EQ(take("4\r\nabcd\r\n0\r\n\r\n"), "abcd");
  const std::pair<const char*, const char*> cases[] = {
      {"4\r\nabcd\r\n0\r\n", "IncompleteBody"},       {"4\r\nabcd\r\n", "IncompleteBody"},
      {"4\r\nab", "IncompleteBody"},                  {"", "IncompleteBody"},
      {"3\r\nabcd\r\n0\r\n\r\n", "InvalidRequest"},   {"5\r\nabcd\r\n0\r\n\r\n", "InvalidRequest"},
      {"4\nabcd\r\n0\r\n\r\n", "InvalidRequest"},     {"-4\r\nabcd\r\n0\r\n\r\n", "InvalidRequest"},
      {"0x4\r\nabcd\r\n0\r\n\r\n", "InvalidRequest"}, {"\r\nabcd\r\n0\r\n\r\n", "InvalidRequest"},
      {"ffffffffffffffff\r\n", "InvalidRequest"},     {"10000000000000000\r\n", "InvalidRequest"},
      {"2\r\nab\r\n0\r\n\r\n", "IncompleteBody"},     {"4\r\nabcd\r\n1\r\ne\r\n0\r\n\r\n", "InvalidRequest"},
      {"4\r\nabcd\r\n0\r\nno colon\r\n\r\n", "InvalidRequest"}};
  for (const auto& [wire, code] : cases) EXPECT_EQ(take(wire), code) << wire;
  EXPECT_EQ(take("4;" + std::string(5000, 'x') + "\r\nabcd\r\n0\r\n\r\n"), "InvalidRequest");
  std::string long_trailer = "4\r\nabcd\r\n0\r\n";
  for (int count = 0; count < 20; ++count) long_trailer += "a: b\r\n";
  EXPECT_EQ(take(long_trailer + "\r\n"), "InvalidRequest");
}

TEST_F(BodyTest, a_checksum_in_the_trailer_is_checked) {
  chunked(PayloadMode::unsigned_chunks, true, 9);
  headers_.push_back({"x-amz-trailer", "x-amz-checksum-crc32"});
  EXPECT_EQ(take("9\r\n123456789\r\n0\r\nx-amz-checksum-crc32:y/Q5Jg==\r\n\r\n"), "123456789");
  EXPECT_EQ(take("9\r\n123456780\r\n0\r\nx-amz-checksum-crc32:y/Q5Jg==\r\n\r\n"), "BadDigest");
  EXPECT_EQ(take("9\r\n123456789\r\n0\r\n\r\n"), "InvalidRequest");
  EXPECT_EQ(take("9\r\n123456789\r\n0\r\nx-amz-checksum-sha1:qZk+NkcGgWq6PiVxeFDCbJzQ2J0=\r\n\r\n"), "InvalidRequest");
}

TEST_F(BodyTest, a_trailer_may_be_signed_too) {
  chunked(PayloadMode::chunks, true, 9);
  headers_.push_back({"x-amz-trailer", "x-amz-checksum-crc32"});
  const std::string good = signed_chunks({"12345", "6789"}, "x-amz-checksum-crc32:y/Q5Jg==");
  EXPECT_EQ(take(good), "123456789");
  std::string spoilt = good;
  const size_t at = spoilt.find("x-amz-trailer-signature:") + 24;
  spoilt[at] = spoilt[at] == '0' ? '1' : '0';
  EXPECT_EQ(take(spoilt), "SignatureDoesNotMatch");
  EXPECT_EQ(take(signed_chunks({"12345", "6789"})), "SignatureDoesNotMatch");
}

}  // namespace
}  // namespace holdfast::aws
