// SPDX-License-Identifier: Apache-2.0
#include "aws/sigv4_verify.h"

#include <gtest/gtest.h>

#include "aws/time_text.h"

namespace holdfast::aws {
namespace {

using namespace std::chrono_literals;

constexpr UnixTimeNs now = 1'440'938'160'000'000'000;  // 2015-08-30T12:36:00Z

Credentials make_keys(std::string_view secret) {
  Credentials keys;
  keys.access_key_id = "AKID/with/slashes";
  keys.secret_access_key = crypto::SecretBytes::from(as_bytes(secret));
  return keys;
}

// A request signed by our own signer, then spoilt as a test likes.
class VerifyTest : public ::testing::Test {
 protected:
  VerifyTest() {
    request_.method = "PUT";
    request_.path = "/bucket/a%20key/%C3%BC";
    request_.query = {{"partNumber", "7"}, {"uploadId", "x/y+z "}};
    request_.headers = {{"Host", "127.0.0.1:9000"}, {"x-amz-content-sha256", std::string(payload_unsigned)},
                        {"x-amz-meta-b", " two   blanks "}};
    request_.payload_hash = payload_unsigned;
  }
  void sign(UnixTimeNs when = now) { sign_headers(request_, scope_, keys_, when); }
  void presign(std::chrono::seconds lifetime, UnixTimeNs when = now) {
    std::erase_if(request_.headers, [](const auto& header) { return header.name == "x-amz-content-sha256"; });
    sign_query(request_, scope_, keys_, when, lifetime);
  }
  std::string& header(std::string_view name) {
    for (auto& given : request_.headers) {
      if (given.name == name) return given.value;
    }
    return request_.headers.emplace_back(net::HttpHeader{std::string(name), ""}).value;
  }
  Outcome<Verified> verify(UnixTimeNs when = now) { return verify_query(canonical_query(request_.query), when); }
  Outcome<Verified> verify_query(const std::string& query, UnixTimeNs when = now) {
    return verify_request({.method = request_.method, .path = request_.path, .query = query,
                           .headers = &request_.headers},
                          [&](std::string_view id) { return id == keys_.access_key_id ? &known_ : nullptr; }, when);
  }
  std::string code(UnixTimeNs when = now) {
    const auto outcome = verify(when);
    return outcome ? "accepted" : outcome.error().code;
  }

  SigningScope scope_{.region = "eu-central-1", .service = "s3", .path_rule = PathRule::as_sent};
  Credentials keys_ = make_keys("secret"), known_ = make_keys("secret");
  SignableRequest request_;
};

TEST_F(VerifyTest, what_our_signer_signs_is_accepted) {
  sign();
  const auto verified = verify();
  ASSERT_TRUE(verified.has_value()) << verified.error().code << ": " << verified.error().message;
  EXPECT_EQ(verified->credentials, &known_);
  EXPECT_EQ(verified->scope.region, "eu-central-1");
  EXPECT_EQ(verified->signed_at, now);
  EXPECT_EQ(verified->payload, PayloadMode::unsigned_);
}

TEST_F(VerifyTest, another_secret_does_not_match) {
  known_ = make_keys("Secret");
  sign();
  EXPECT_EQ(code(), "SignatureDoesNotMatch");
}

TEST_F(VerifyTest, whatever_is_signed_cannot_be_changed) {
  sign();
  const SignableRequest good = request_;
  const std::function<void()> changes[] = {
      [&] { request_.method = "GET"; },
      [&] { request_.path = "/bucket/a%20key/%C3%BD"; },
      [&] { request_.path += "/"; },
      [&] { request_.query[0].second = "8"; },
      [&] { request_.query.emplace_back("acl", ""); },
      [&] { request_.query.pop_back(); },
      [&] { header("Host") = "127.0.0.1:9001"; },
      [&] { header("x-amz-meta-b") = "three"; },
      [&] { request_.headers.push_back({"X-Amz-Meta-B", "more"}); },
      [&] { header("x-amz-content-sha256") = payload_hash({}); },
      [&] { header("X-Amz-Date") = amz_date(now + 1'000'000'000); },
      [&] { header("Authorization").back() ^= 1; }};
  for (size_t at = 0; at < std::size(changes); ++at) {
    request_ = good;
    EXPECT_EQ(code(), "accepted");
    changes[at]();
    EXPECT_EQ(code(), "SignatureDoesNotMatch") << "change " << at;
  }
}

TEST_F(VerifyTest, a_path_is_signed_encoded_however_it_was_sent) {
  request_.path = "/bucket/a%3Db%2Bc";
  sign();
  request_.path = "/bucket/a=b+c";
  EXPECT_EQ(code(), "accepted");
}

TEST_F(VerifyTest, headers_of_weight_must_be_signed) {
  sign();
  request_.headers.push_back({"x-amz-copy-source", "/other/secret"});
  EXPECT_EQ(code(), "AccessDenied");
}

TEST_F(VerifyTest, clocks_may_differ_by_a_quarter_of_an_hour) {
  sign();
  EXPECT_EQ(code(now + std::chrono::nanoseconds(15min).count()), "accepted");
  EXPECT_EQ(code(now - std::chrono::nanoseconds(15min).count()), "accepted");
  EXPECT_EQ(code(now + std::chrono::nanoseconds(15min + 1s).count()), "RequestTimeTooSkewed");
  EXPECT_EQ(code(now - std::chrono::nanoseconds(15min + 1s).count()), "RequestTimeTooSkewed");
}

TEST_F(VerifyTest, a_presigned_url_works_until_it_expires) {
  presign(3600s);
  EXPECT_EQ(code(), "accepted");
  EXPECT_EQ(code(now + std::chrono::nanoseconds(3600s).count()), "accepted");
  EXPECT_EQ(code(now + std::chrono::nanoseconds(3601s).count()), "AccessDenied");
  EXPECT_EQ(code(now - std::chrono::nanoseconds(16min).count()), "AccessDenied");
  request_.query.emplace_back("response-content-type", "text/html");
  EXPECT_EQ(code(), "SignatureDoesNotMatch");
}

TEST_F(VerifyTest, a_lifetime_beyond_a_week_is_refused) {
  presign(7 * 24h);
  EXPECT_EQ(code(), "accepted");
  request_.query.clear();
  presign(7 * 24h + 1s);
  EXPECT_EQ(code(), "AuthorizationQueryParametersError");
}

TEST_F(VerifyTest, who_is_unknown_or_unsigned_is_told) {
  EXPECT_EQ(code(), "AccessDenied");
  sign();
  known_.access_key_id = keys_.access_key_id;
  keys_.access_key_id = "someone else";
  EXPECT_EQ(code(), "InvalidAccessKeyId");
}

TEST_F(VerifyTest, malformed_claims_are_refused) {
  sign();
  const std::string good = header("Authorization");
  const auto with = [&](std::string_view from, std::string_view to) {
    std::string text = good;
    text.replace(text.find(from), from.size(), to);
    header("Authorization") = text;
    return code();
  };
  EXPECT_EQ(with("AWS4-HMAC-SHA256", "AWS4-ECDSA-P256-SHA256"), "InvalidRequest");
  EXPECT_EQ(with("AWS4-HMAC-SHA256 ", "AWS "), "InvalidRequest");
  EXPECT_EQ(with("Signature=", "Signatur="), "AuthorizationHeaderMalformed");
  EXPECT_EQ(with(", Signature", ", Signature=1, Signature"), "AuthorizationHeaderMalformed");
  EXPECT_EQ(with("/s3/", "/ec2/"), "AuthorizationHeaderMalformed");
  EXPECT_EQ(with("aws4_request", "aws5_request"), "AuthorizationHeaderMalformed");
  EXPECT_EQ(with("20150830/", "20150831/"), "AuthorizationHeaderMalformed");
  EXPECT_EQ(with("host;", ""), "AuthorizationHeaderMalformed");
  EXPECT_EQ(with("host;", "host;host;"), "AuthorizationHeaderMalformed");
  EXPECT_EQ(with("Signature=", "Signature=0"), "SignatureDoesNotMatch");
  header("Authorization") = good;
  header("X-Amz-Date") = "yesterday";
  EXPECT_EQ(code(), "AccessDenied");
}

TEST_F(VerifyTest, two_claims_are_one_too_many) {
  sign();
  const std::string authorization = header("Authorization");
  request_.headers.push_back({"authorization", authorization});
  EXPECT_EQ(code(), "InvalidArgument");
  request_.headers.pop_back();
  sign_query(request_, scope_, keys_, now, 60s);
  EXPECT_EQ(code(), "InvalidArgument");
  std::erase_if(request_.headers, [](const auto& given) { return given.name == "Authorization"; });
  request_.query.emplace_back("X-Amz-Signature", "1");
  EXPECT_EQ(code(), "AuthorizationQueryParametersError");
}

TEST_F(VerifyTest, ways_to_sign_a_body_are_told_apart) {
  const auto mode = [&](std::string_view hash) {
    header("x-amz-content-sha256") = hash;
    request_.payload_hash = hash;
    sign();
    return verify();
  };
  EXPECT_EQ(mode(payload_chunked)->payload, PayloadMode::chunks);
  EXPECT_FALSE(mode(payload_chunked)->has_trailer);
  EXPECT_TRUE(mode(payload_chunked_trailer)->has_trailer);
  EXPECT_EQ(mode(payload_unsigned_trailer)->payload, PayloadMode::unsigned_chunks);
  EXPECT_EQ(mode(payload_hash({}))->payload, PayloadMode::hashed);
  EXPECT_EQ(mode("STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD").error().code, "NotImplemented");
  EXPECT_EQ(mode("abc").error().code, "InvalidArgument");
  std::erase_if(request_.headers, [](const auto& given) { return given.name == "x-amz-content-sha256"; });
  sign();
  EXPECT_EQ(code(), "InvalidRequest");
}

TEST_F(VerifyTest, tokens_that_nobody_gave_out_are_refused) {
  keys_.session_token = "FwoG";
  sign();
  EXPECT_EQ(code(), "InvalidToken");
}

TEST_F(VerifyTest, a_query_of_too_many_or_broken_parameters_is_refused) {
  sign();
  EXPECT_EQ(verify_query("a=%zz").error().code, "InvalidURI");
  std::string many;
  for (int at = 0; at < 101; ++at) many += "a" + std::to_string(at) + "&";
  EXPECT_EQ(verify_query(many).error().code, "InvalidURI");
}

TEST(TimeText, moments_are_written_and_read_in_each_form) {
  EXPECT_EQ(http_date(now), "Sun, 30 Aug 2015 12:36:00 GMT");
  EXPECT_EQ(parse_http_date(http_date(now)), now);
  EXPECT_EQ(iso_time(now + 7'000'000), "2015-08-30T12:36:00.007Z");
  EXPECT_EQ(parse_iso_time(iso_time(now)), now);
  EXPECT_EQ(parse_compact_time(compact_time(now)), now);
  EXPECT_EQ(iso_time(-1), "1969-12-31T23:59:59.999Z");
  for (const char* bad : {"", "20150830T123600", "20150830 123600Z", "20151330T123600Z", "2015083aT123600Z"}) {
    EXPECT_FALSE(parse_compact_time(bad).has_value()) << bad;
  }
}

}  // namespace
}  // namespace holdfast::aws
