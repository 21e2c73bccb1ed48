// SPDX-License-Identifier: Apache-2.0
#include "serve/s3_request.h"

#include <gtest/gtest.h>

#include "serve/bucket_name.h"
#include "serve/ingest_writer.h"
#include "serve/write_documents.h"
#include "serve/xml_writer.h"

namespace holdfast::serve {
namespace {

Outcome<S3Request> parse(std::string target, net::HttpHeaders headers = {{"Host", "server:9000"}},
                         std::string_view domain = "example.com") {
  // What is parsed refers to the headers.
  static net::ServedRequest request;
  request.method = "GET";
  request.target = std::move(target);
  request.headers = std::move(headers);
  return parse_s3_request(request, domain);
}

TEST(S3Request, bucket_and_key_are_taken_from_the_path) {
  EXPECT_EQ(parse("/")->bucket, "");
  EXPECT_EQ(parse("/b")->bucket, "b");
  EXPECT_EQ(parse("/b/")->key, "");
  const auto parsed = parse("/b/a%2Fb/c+d%20e?versionId=1%2B1+2");
  EXPECT_EQ(parsed->bucket, "b");
  EXPECT_EQ(parsed->key, "a/b/c+d e");
  EXPECT_EQ(parsed->parameter_of("versionId"), "1+1 2");
  EXPECT_EQ(parsed->path, "/b/a%2Fb/c+d%20e");
  EXPECT_EQ(parse("/b//c")->key, "/c");
}

TEST(S3Request, bucket_may_stand_in_the_host) {
  EXPECT_EQ(parse("/k/1", {{"Host", "bucket.example.com"}})->bucket, "bucket");
  EXPECT_EQ(parse("/k/1", {{"Host", "bucket.example.com"}})->key, "k/1");
  EXPECT_EQ(parse("/", {{"Host", "dotted.name.example.com:9000"}})->bucket, "dotted.name");
  EXPECT_EQ(parse("/k/1", {{"Host", "bucketexample.com"}})->bucket, "k");
  EXPECT_EQ(parse("/k/1", {{"Host", "Bucket.Example.COM.:80"}})->bucket, "bucket");
  EXPECT_EQ(parse("/k/1", {{"Host", "bucket.localhost:9000"}}, "")->bucket, "bucket");
}

// A machine may be called like the bucket, and a client that names the bucket in the path means no longer key.
TEST(S3Request, only_a_known_domain_makes_the_host_a_bucket) {
  for (const char* host : {"backups.corp.example", "backups.example.com:9000", "backups", "127.0.0.1", "[::1]:9000"}) {
    const auto parsed = parse("/backups/x", {{"Host", host}}, "");
    EXPECT_EQ(parsed->bucket, "backups") << host;
    EXPECT_EQ(parsed->key, "x") << host;
  }
  EXPECT_EQ(parse("/backups/x", {{"Host", "backups.corp.example"}}, "example")->bucket, "backups.corp");
  EXPECT_EQ(parse("/backups/x", {{"Host", "corp.example"}}, "corp.example")->key, "x");
  EXPECT_EQ(parse("/backups/x", {{"Host", "localhost:9000"}}, "")->key, "x");
}

TEST(S3Request, what_two_readers_could_take_for_two_things_is_refused) {
  const auto code = [](const Outcome<S3Request>& outcome) { return outcome ? "accepted" : outcome.error().code; };
  EXPECT_EQ(code(parse("/b?a=1&a=2")), "InvalidArgument");
  EXPECT_EQ(code(parse("/b?a=1&%61=2")), "InvalidArgument");
  EXPECT_EQ(code(parse("/b", {{"Host", "a"}, {"host", "b"}})), "InvalidRequest");
  EXPECT_EQ(code(parse("/b", {{"Host", "a"}, {"x-amz-x", "1"}, {"X-Amz-X", "1"}})), "InvalidRequest");
  EXPECT_EQ(code(parse("/b", {{"Host", "a"}, {"Range", "1"}, {"range", "1"}})), "InvalidRequest");
  EXPECT_EQ(code(parse("/b", {{"Host", "a"}, {"Cookie", "1"}, {"Cookie", "2"}})), "accepted");
  EXPECT_EQ(code(parse("/b", {})), "InvalidRequest");
  EXPECT_EQ(code(parse("http://elsewhere/b")), "InvalidURI");
  EXPECT_EQ(code(parse("/b/%4")), "InvalidURI");
  EXPECT_EQ(code(parse("//k")), "InvalidBucketName");
  EXPECT_EQ(code(parse("/b/" + std::string(1024, 'k'))), "accepted");
  EXPECT_EQ(code(parse("/b/" + std::string(1025, 'k'))), "KeyTooLongError");
}

TEST(S3Request, ranges_are_clipped_ignored_or_refused) {
  const auto range = [](std::string_view text, uint64_t size) -> std::string {
    const auto parsed = parse_range(text, size);
    if (!parsed) return parsed.error().code;
    return *parsed ? std::to_string((*parsed)->begin_bytes) + "-" + std::to_string((*parsed)->end_bytes) : "whole";
  };
  EXPECT_EQ(range("bytes=0-4", 10), "0-5");
  EXPECT_EQ(range("bytes=5-", 10), "5-10");
  EXPECT_EQ(range("bytes=-3", 10), "7-10");
  EXPECT_EQ(range("bytes=-30", 10), "0-10");
  EXPECT_EQ(range("bytes=3-18446744073709551615", 10), "3-10");
  EXPECT_EQ(range("bytes=10-", 10), "InvalidRange");
  EXPECT_EQ(range("bytes=-0", 10), "InvalidRange");
  EXPECT_EQ(range("bytes=0-", 0), "InvalidRange");
  for (const char* odd : {"", "bytes", "bytes=", "bytes=-", "bytes=4-3", "bytes=1-2,4-5", "items=1-2", "bytes=a-b",
                          "bytes=18446744073709551616-", "bytes= 1-2"}) {
    EXPECT_EQ(range(odd, 10), "whole") << odd;
  }
}

TEST(ObjectHeaders, metadata_may_be_empty) {
  const net::HttpHeaders headers{{"X-Amz-Meta-Empty", ""}, {"x-amz-meta-a", "1"}, {"Content-Type", ""},
                                 {"Content-Encoding", "aws-chunked"}};
  S3Request request;
  request.headers = &headers;
  const auto attributes = attributes_of(request);
  ASSERT_TRUE(attributes.has_value());
  EXPECT_EQ(attributes->headers, (std::vector<format::NamedText>{{"x-amz-meta-a", "1"}, {"x-amz-meta-empty", ""}}));
}

TEST(ObjectHeaders, what_would_not_be_done_is_refused) {
  for (const char* name : {"x-amz-copy-source-if-match", "x-amz-if-match-size", "x-amz-object-lock-mode", "If-Match",
                           "x-amz-server-side-encryption-customer-key", "x-amz-grant-read"}) {
    const net::HttpHeaders headers{{name, "x"}};
    S3Request request{.method = "PUT", .headers = &headers};
    EXPECT_EQ(refuse_unsupported(request).error().code, "NotImplemented") << name;
  }
  const net::HttpHeaders headers{{"If-None-Match", "*"}};
  S3Request request{.method = "PUT", .headers = &headers};
  EXPECT_TRUE(refuse_unsupported(request).has_value());
  EXPECT_EQ(*existing_of(request), NewObject::Existing::forbid);
  request.method = "DELETE";
  EXPECT_EQ(refuse_unsupported(request).error().code, "NotImplemented");
}

TEST(WriteDocuments, parts_must_ascend_and_name_an_md5) {
  const auto codes = [](const std::string& inside) {
    const auto parsed = parse_complete_multipart("<CompleteMultipartUpload>" + inside + "</CompleteMultipartUpload>");
    return parsed ? std::to_string(parsed->size()) : parsed.error().code;
  };
  const auto part = [](int number, const std::string& etag) {
    return "<Part><ETag>" + etag + "</ETag><PartNumber>" + std::to_string(number) + "</PartNumber></Part>";
  };
  const std::string md5(32, 'a');
  EXPECT_EQ(codes(part(1, md5) + part(7, "&quot;" + md5 + "&quot;") + "<Other/>"), "2");
  EXPECT_EQ(codes(part(2, md5) + part(2, md5)), "InvalidPartOrder");
  EXPECT_EQ(codes(part(1, "abc")), "InvalidPart");
  EXPECT_EQ(codes(part(0, md5)), "MalformedXML");
  EXPECT_EQ(codes(part(10'001, md5)), "MalformedXML");
  EXPECT_EQ(codes(""), "MalformedXML");
  const std::string checksum = "<Part><ETag>" + md5 + "</ETag><PartNumber>1</PartNumber><ChecksumCRC32>";
  EXPECT_EQ(codes(checksum + "y/Q5Jg==</ChecksumCRC32></Part>"), "1");
  EXPECT_EQ(codes(checksum + "y/Q5</ChecksumCRC32></Part>"), "InvalidRequest");
  EXPECT_EQ(parse_complete_multipart("<Delete/>").error().code, "MalformedXML");
}

TEST(WriteDocuments, deletions_name_keys) {
  const auto list = parse_delete("<Delete xmlns=\"x\"><Object><Key>a&amp;b</Key></Object><Quiet>true</Quiet>"
                                 "<Object><Key> </Key><VersionId>null</VersionId></Object></Delete>");
  ASSERT_TRUE(list.has_value());
  EXPECT_EQ(list->keys, (std::vector<std::string>{"a&b", " "}));
  EXPECT_TRUE(list->is_quiet);
  EXPECT_FALSE(parse_delete("<Delete><Object><Key>a</Key><VersionId>7</VersionId></Object></Delete>").has_value());
  for (const char* condition : {"<ETag>x</ETag>", "<LastModifiedTime>x</LastModifiedTime>", "<Size>1</Size>"}) {
    const auto refused = parse_delete("<Delete><Object><Key>a</Key>" + std::string(condition) + "</Object></Delete>");
    EXPECT_EQ(refused.error().code, "NotImplemented") << condition;
  }
  std::string many;
  for (int at = 0; at < 1001; ++at) many += "<Object><Key>k</Key></Object>";
  EXPECT_FALSE(parse_delete("<Delete>" + many + "</Delete>").has_value());
}

TEST(XmlWriter, what_xml_cannot_hold_is_replaced) {
  EXPECT_EQ(xml_characters("plain ü € \U0001f600\t\n"), "plain ü € \U0001f600\t\n");
  EXPECT_TRUE(is_xml_text("plain ü € \U0001f600\t\n"));
  EXPECT_FALSE(is_xml_text("plain \xff"));
  const std::string_view bad[] = {"\x01", "\xff", "\xc0\x80", "\xed\xa0\x80", "\xef\xbf\xbf", "\xf4\x90\x80\x80",
                                  "\xe2\x82", std::string_view("\0", 1)};
  for (const std::string_view text : bad) {
    const std::string shown = xml_characters("a" + std::string(text) + "b");
    EXPECT_TRUE(shown.starts_with("a\xef\xbf\xbd") && shown.ends_with("b")) << shown;
  }
  EXPECT_EQ(XmlWriter("R", XmlWriter::Namespace::none).element("E", "<&>\r").take(),
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<R><E>&lt;&amp;&gt;&#13;</E></R>");
}

TEST(BucketName, names_that_s3_takes_are_taken) {
  for (const char* good : {"abc", "a-b.c", "0.9", "files", "xn.--a"}) EXPECT_TRUE(check_bucket_name(good)) << good;
  for (const char* bad : {"", "ab", "Abc", "a_b", "-abc", "abc-", "a..b", "1.2.3.4", "a/b", "../x"}) {
    EXPECT_FALSE(check_bucket_name(bad)) << bad;
  }
  EXPECT_FALSE(check_bucket_name(std::string(64, 'a')));
}

}  // namespace
}  // namespace holdfast::serve
