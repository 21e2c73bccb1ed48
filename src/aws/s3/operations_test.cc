// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "aws/s3/delete_object.h"
#include "aws/s3/get_object.h"
#include "aws/s3/head_object.h"
#include "aws/s3/list_objects.h"
#include "aws/s3/put_object.h"
#include "aws/testing.h"

namespace holdfast::aws::s3 {
namespace {

#define EXPECT_CODE(result, expected)                                                                       \
  do {                                                                                                      \
    const auto& outcome_ = (result);                                                                        \
    ASSERT_FALSE(outcome_.has_value()) << #result;                                                          \
    EXPECT_EQ(to_string(outcome_.error().code()), to_string(expected)) << outcome_.error().message();       \
  } while (false)

class OperationsTest : public ::testing::Test {
 protected:
  static ClientOptions options() {
    ClientOptions options;
    options.endpoint = *parse_endpoint("http://s3.example");
    options.scope = {.region = "us-east-1", .service = "s3", .path_rule = PathRule::as_sent};
    options.retry.attempt_count_max = 1;
    return options;
  }
  net::HttpRequest last() const { return transport_.seen().back(); }
  std::string last_header(std::string_view name) const {
    const auto request = last();
    return std::string(net::find_header(request.headers, name).value_or("(none)"));
  }

  Result<net::HttpResponse> answer_ = http_answer(200, "");
  FakeClock clock_;
  LargestRng rng_;
  FixedCredentials credentials_;
  bool insists_ = false;
  FakeTransport transport_{[this](const net::HttpRequest& request) -> Result<net::HttpResponse> {
    if (insists_ && !net::find_header(request.headers, "x-amz-checksum-crc64nvme")) {
      return http_answer(400, "<Error><Code>InvalidRequest</Code><Message>Content-MD5 HTTP header is required for Put "
                              "Object requests with Object Lock parameters</Message></Error>");
    }
    return answer_;
  }};
  Client client_{options(), transport_, credentials_, clock_, rng_};
  Bucket bucket_{.client = client_, .name = "bucket", .style = AddressStyle::path};
};

TEST_F(OperationsTest, keys_of_any_bytes_are_addressed_in_both_styles) {
  const std::string key = std::string("a/../b//c+d é?#%2F\x01", 20);
  ASSERT_TRUE(delete_object(bucket_, key).has_value());
  EXPECT_EQ(last().url, "http://s3.example/bucket/a/../b//c%2Bd%20%C3%A9%3F%23%252F%01");
  bucket_.style = AddressStyle::host;
  ASSERT_TRUE(delete_object(bucket_, "/k").has_value());
  EXPECT_EQ(last().url, "http://bucket.s3.example//k");
  EXPECT_EQ(last_header("host"), "bucket.s3.example");
}

TEST_F(OperationsTest, a_put_that_must_not_replace_says_so) {
  const ByteView body = as_bytes("x");
  answer_ = http_answer(200, "", {{"ETag", "\"e\""}, {"x-amz-version-id", "v"}});
  const auto put = put_object(bucket_, {.key = "k", .body = std::span(&body, 1), .if_exists = IfExists::fail});
  ASSERT_TRUE(put.has_value());
  EXPECT_EQ(put->etag, "\"e\"");
  EXPECT_EQ(put->version_id, "v");
  EXPECT_EQ(last_header("if-none-match"), "*");
  answer_ = error_answer(412, "PreconditionFailed");
  EXPECT_CODE(put_object(bucket_, {.key = "k", .body = std::span(&body, 1)}), ErrorCode::conflict);
  EXPECT_EQ(last_header("if-none-match"), "(none)");
}

TEST_F(OperationsTest, a_server_that_insists_on_checksums_gets_them_from_then_on) {
  const ByteView body = as_bytes("123456789");
  const PutObject request{.key = "k", .body = std::span(&body, 1)};
  ASSERT_TRUE(put_object(bucket_, request).has_value());
  EXPECT_EQ(last_header("x-amz-checksum-crc64nvme"), "(none)");
  insists_ = true;
  ASSERT_TRUE(put_object(bucket_, request).has_value());
  const size_t sent = transport_.seen().size();
  EXPECT_EQ(sent, 3u);
  ASSERT_TRUE(put_object(bucket_, request).has_value());
  EXPECT_EQ(transport_.seen().size(), sent + 1);
  EXPECT_EQ(last_header("x-amz-checksum-crc64nvme"), "rosUhgp5mIg=");
}

TEST_F(OperationsTest, a_body_that_differs_from_its_checksum_is_asked_for_again_and_never_taken) {
  answer_ = http_answer(200, "123456789", {{"x-amz-checksum-crc32c", "4waSgw=="}});
  EXPECT_TRUE(get_object(bucket_, "k", 100).has_value());
  EXPECT_EQ(last_header("x-amz-checksum-mode"), "(none)");
  answer_ = http_answer(200, "123456780", {{"x-amz-checksum-crc32c", "4waSgw=="}});
  const size_t before = transport_.seen().size();
  EXPECT_CODE(get_object(bucket_, "k", 100), ErrorCode::corrupt);
  EXPECT_EQ(transport_.seen().size(), before + 3);
}

TEST_F(OperationsTest, ranges_are_taken_only_as_they_were_asked_for) {
  Bytes out(4);
  const auto fetch = [&](int status, const std::string& range, uint64_t filled) {
    net::HttpResponse response = http_answer(status, "", {{"Content-Range", range}});
    response.into_size_bytes = filled;
    answer_ = response;
    return get_object_range(bucket_, "k", 10, out);
  };
  EXPECT_TRUE(fetch(206, "bytes 10-13/100", 4).has_value());
  EXPECT_EQ(last_header("range"), "bytes=10-13");
  EXPECT_CODE(fetch(206, "bytes 10-12/13", 3), ErrorCode::corrupt);   // The object ends.
  EXPECT_CODE(fetch(206, "bytes 0-3/100", 4), ErrorCode::corrupt);    // Another range.
  EXPECT_CODE(fetch(206, "bytes 10-133/200", 4), ErrorCode::corrupt);
  EXPECT_CODE(fetch(206, "", 4), ErrorCode::corrupt);
  EXPECT_CODE(fetch(200, "", 0), ErrorCode::corrupt);                 // No range at all.
  EXPECT_CODE(get_object_range(bucket_, "k", UINT64_MAX, out), ErrorCode::corrupt);
}

TEST_F(OperationsTest, a_head_needs_a_length) {
  answer_ = http_answer(200, "", {{"Content-Length", "12"}});
  EXPECT_EQ(head_object(bucket_, "k")->size_bytes, 12u);
  for (const char* wrong : {"", "-1", "1x", "99999999999999999999999"}) {
    answer_ = http_answer(200, "", {{"Content-Length", wrong}});
    EXPECT_CODE(head_object(bucket_, "k"), ErrorCode::corrupt);
  }
  answer_ = http_answer(404, "");
  EXPECT_CODE(head_object(bucket_, "k"), ErrorCode::not_found);
}

std::string listing(const std::string& inside) {
  return "<?xml version=\"1.0\"?><ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">" + inside +
         "</ListBucketResult>";
}
std::string object(const std::string& key, const std::string& size = "1") {
  return "<Contents><Key>" + key + "</Key><Size>" + size + "</Size></Contents>";
}

TEST_F(OperationsTest, a_page_is_read_with_its_odd_keys) {
  answer_ = http_answer(200, listing("<EncodingType>url</EncodingType><IsTruncated>true</IsTruncated>" + object("p/a%2Bb+c%01") +
                                     object("p/%F0%9F%98%80", "5000000000")));
  const auto page = list_objects(bucket_, {.prefix = "p/", .start_after = "p/a"});
  ASSERT_TRUE(page.has_value()) << page.error().message();
  ASSERT_EQ(page->objects.size(), 2u);
  EXPECT_EQ(page->objects[0].key, "p/a+b c\x01");
  EXPECT_EQ(page->objects[1].size_bytes, 5'000'000'000u);
  EXPECT_TRUE(page->is_truncated);
  EXPECT_EQ(last().url, "http://s3.example/bucket?encoding-type=url&list-type=2&max-keys=1000&prefix=p%2F&start-after=p%2Fa");
}

TEST_F(OperationsTest, listings_that_lie_are_refused) {
  const std::vector<std::string> bad{
      "",
      "not xml",
      "<Other/>",
      "<ListBucketResult>",
      listing("<IsTruncated>true</IsTruncated>"),                 // Would go on for ever.
      listing(object("p/b") + object("p/a")),                     // Out of order.
      listing(object("p/b") + object("p/b")),                     // Twice.
      listing(object("p/0")),                                     // Not after where we were.
      listing(object("q/a")),                                     // Of another prefix.
      listing(object("p/x", "-1")),
      listing(object("p/x", "")),
      listing(object("p/x", "99999999999999999999999")),
      listing(object("")),
      listing("<EncodingType>url</EncodingType>" + object("p/%zz")),
      "<?xml version=\"1.0\"?><!DOCTYPE l [<!ENTITY k \"p/x\">]>" + listing(object("&k;")),
  };
  for (const std::string& body : bad) {
    answer_ = http_answer(200, body);
    EXPECT_CODE(list_objects(bucket_, {.prefix = "p/", .start_after = "p/0"}), ErrorCode::corrupt);
  }
  std::string deep = "<ListBucketResult>";
  for (int i = 0; i < 50; ++i) deep += "<Contents>";
  for (int i = 0; i < 50; ++i) deep += "</Contents>";
  answer_ = http_answer(200, deep + "</ListBucketResult>");
  EXPECT_CODE(list_objects(bucket_, {.prefix = "", .start_after = ""}), ErrorCode::corrupt);
}

TEST_F(OperationsTest, names_that_are_no_buckets_are_refused) {
  for (const char* good : {"abc", "my.bucket-1", "Old_Bucket"}) EXPECT_TRUE(check_bucket_name(good).has_value()) << good;
  for (const char* bad : {"", "ab", "..", "a/b", "a b", "a?b", "ü-bucket"}) {
    EXPECT_CODE(check_bucket_name(bad), ErrorCode::invalid);
  }
  EXPECT_FALSE(fits_in_host("my.bucket"));
}

}  // namespace
}  // namespace holdfast::aws::s3
