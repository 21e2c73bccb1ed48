// SPDX-License-Identifier: Apache-2.0
#include "aws/sigv4.h"

#include <gtest/gtest.h>

#include "aws/time_text.h"

// The worked examples that AWS publishes for S3 and for its general test suite. tests/e2e/sigv4_test.py compares 10,000
// random requests with botocore.
namespace holdfast::aws {
namespace {

constexpr UnixTimeNs examples_time = int64_t{1'369'353'600} * 1'000'000'000;  // 2013-05-24T00:00:00Z
constexpr UnixTimeNs suite_time = int64_t{1'440'938'160} * 1'000'000'000;     // 2015-08-30T12:36:00Z
constexpr std::string_view empty_hash = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

Credentials keys(const std::string& id, const std::string& secret) {
  Credentials credentials;
  credentials.access_key_id = id;
  credentials.secret_access_key = crypto::SecretBytes::from(as_bytes(secret));
  return credentials;
}
Credentials examples_keys() { return keys("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"); }
const SigningScope s3_scope{.region = "us-east-1", .service = "s3", .path_rule = PathRule::as_sent};

std::string sign_example(SignableRequest request) {
  request.headers.push_back({"Host", "examplebucket.s3.amazonaws.com"});
  request.headers.push_back({"x-amz-content-sha256", request.payload_hash});
  return sign_headers(request, s3_scope, examples_keys(), examples_time);
}

TEST(SigV4, the_examples_of_s3_are_signed_as_published) {
  EXPECT_EQ(sign_example({.path = "/test.txt", .headers = {{"Range", "bytes=0-9"}}, .payload_hash = std::string(empty_hash)}),
            "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41");
  const ByteView body = as_bytes("Welcome to Amazon S3.");
  EXPECT_EQ(sign_example({.method = "PUT",
                          .path = "/test%24file.text",
                          .headers = {{"Date", "Fri, 24 May 2013 00:00:00 GMT"},
                                      {"x-amz-storage-class", "REDUCED_REDUNDANCY"}},
                          .payload_hash = payload_hash(std::span(&body, 1))}),
            "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd");
  EXPECT_EQ(sign_example({.query = {{"lifecycle", ""}}, .payload_hash = std::string(empty_hash)}),
            "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543");
  EXPECT_EQ(sign_example({.query = {{"prefix", "J"}, {"max-keys", "2"}}, .payload_hash = std::string(empty_hash)}),
            "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7");
}

TEST(SigV4, the_presigned_example_comes_out) {
  SignableRequest request{.path = "/test.txt", .headers = {{"Host", "examplebucket.s3.amazonaws.com"}},
                          .payload_hash = std::string(payload_unsigned)};
  sign_query(request, s3_scope, examples_keys(), examples_time, std::chrono::seconds(86400));
  EXPECT_EQ(request.query.back().first, "X-Amz-Signature");
  EXPECT_EQ(request.query.back().second, "aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404");
}

TEST(SigV4, the_chunked_example_comes_out) {
  SignableRequest request{.method = "PUT",
                          .path = "/examplebucket/chunkObject.txt",
                          .headers = {{"Host", "s3.amazonaws.com"},
                                      {"x-amz-storage-class", "REDUCED_REDUNDANCY"},
                                      {"Content-Encoding", "aws-chunked"},
                                      {"x-amz-decoded-content-length", "66560"},
                                      {"Content-Length", "66824"},
                                      {"x-amz-content-sha256", std::string(payload_chunked)}},
                          .payload_hash = std::string(payload_chunked)};
  const std::string seed = sign_headers(request, s3_scope, examples_keys(), examples_time);
  EXPECT_EQ(seed, "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9");
  ChunkSigner signer(s3_scope, examples_keys(), examples_time, seed);
  const std::string a(65536, 'a');
  EXPECT_EQ(signer.sign_chunk(as_bytes(a)), "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648");
  EXPECT_EQ(signer.sign_chunk(as_bytes(a.substr(0, 1024))),
            "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497");
  EXPECT_EQ(signer.sign_chunk({}), "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9");
}

std::string sign_suite(SignableRequest request) {
  request.headers.insert(request.headers.begin(), {"Host", "example.amazonaws.com"});
  if (request.payload_hash.empty()) request.payload_hash = empty_hash;
  return sign_headers(request, {.region = "us-east-1", .service = "service", .path_rule = PathRule::normalised},
                      keys("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"), suite_time);
}

TEST(SigV4, the_general_suite_comes_out) {
  EXPECT_EQ(sign_suite({}), "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31");
  EXPECT_EQ(sign_suite({.method = "POST"}), "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b");
  EXPECT_EQ(sign_suite({.query = {{"Param2", "value2"}, {"Param1", "value1"}}}),
            "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500");
  for (const char* path : {"/example/..", "/example1/example2/../..", "//", "/./"}) {
    EXPECT_EQ(sign_suite({.path = path}), "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31") << path;
  }
}

TEST(SigV4, a_session_token_is_signed_too) {
  Credentials with_token = examples_keys();
  with_token.session_token = "token";
  SignableRequest request{.headers = {{"Host", "h"}}, .payload_hash = std::string(empty_hash)};
  sign_headers(request, s3_scope, with_token, examples_time);
  EXPECT_EQ(net::find_header(request.headers, "x-amz-security-token"), "token");
  EXPECT_NE(net::find_header(request.headers, "authorization")->find("host;x-amz-date;x-amz-security-token"),
            std::string_view::npos);
}

TEST(Uri, encoding_spares_only_what_signatures_spare) {
  EXPECT_EQ(percent_encode("a b/c~d+é*", Slash::keep), "a%20b/c~d%2B%C3%A9%2A");
  EXPECT_EQ(percent_encode("a/b", Slash::encode), "a%2Fb");
  EXPECT_EQ(*percent_decode("a%2fb%20"), "a/b ");
  EXPECT_FALSE(percent_decode("%").has_value());
  EXPECT_FALSE(percent_decode("%4").has_value());
  EXPECT_FALSE(percent_decode("%zz").has_value());
  EXPECT_EQ(canonical_query({{"b", ""}, {"a", "2"}, {"a", "1"}, {"a-", "x"}}), "a=1&a=2&a-=x&b=");
}

TEST(Uri, endpoints_are_hosts_and_nothing_more) {
  EXPECT_EQ(parse_endpoint("http://localhost:9000/")->url(), "http://localhost:9000");
  EXPECT_EQ(parse_endpoint("https://s3.example.org:443/base/")->url(), "https://s3.example.org/base");
  for (const char* bad : {"localhost:9000", "ftp://x", "http://", "http://user@host", "http://h?x", "http://h/#x"}) {
    EXPECT_FALSE(parse_endpoint(bad).has_value()) << bad;
  }
}

TEST(TimeText, moments_are_read_and_written) {
  EXPECT_EQ(compact_time(suite_time), "20150830T123600Z");
  EXPECT_EQ(compact_time(-1), "19691231T235959Z");
  EXPECT_EQ(parse_http_date("Sun, 30 Aug 2015 12:36:00 GMT"), suite_time);
  EXPECT_EQ(parse_iso_time("2015-08-30T12:36:00Z"), suite_time);
  EXPECT_EQ(parse_iso_time("2015-08-30T12:36:00.250Z"), suite_time + 250'000'000);
  for (const char* bad : {"", "Sun, 31 Feb 2015 12:36:00 GMT", "Sun, 30 Aug 2015 12:36:00 CET"}) {
    EXPECT_FALSE(parse_http_date(bad).has_value()) << bad;
  }
  for (const char* bad : {"2015-08-30", "2015-13-30T12:36:00Z", "2015-08-30T12:36:00+02:00", "2015-08-30T25:36:00Z"}) {
    EXPECT_FALSE(parse_iso_time(bad).has_value()) << bad;
  }
}

}  // namespace
}  // namespace holdfast::aws
