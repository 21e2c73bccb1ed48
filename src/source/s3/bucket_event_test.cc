// SPDX-License-Identifier: Apache-2.0
#include "source/s3/bucket_event.h"

#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "aws/uri.h"
#include "crypto/testing.h"
#include "source/s3/feed_state.h"
#include "source/s3/notification_rules.h"
#include "source/s3/queue_testing.h"

namespace holdfast::source {
namespace {

using testing::FakeQueue;

std::vector<NamedObject> objects_of(std::string_view body) {
  const auto message = decode_bucket_message(body);
  EXPECT_TRUE(message.has_value()) << body << ": " << message.error().message();
  return message ? message->objects : std::vector<NamedObject>();
}
std::string published(const std::string& body) {
  return boost::json::serialize(boost::json::object{
      {"Type", "Notification"}, {"TopicArn", "arn:aws:sns:r:1:t"}, {"MessageId", "x"}, {"Message", body}});
}
std::string by_event_bridge(const std::string& key) {
  return boost::json::serialize(boost::json::object{
      {"version", "0"},
      {"detail-type", "Object Created"},
      {"source", "aws.s3"},
      {"detail", {{"version", "0"}, {"bucket", {{"name", "bucket"}}}, {"object", {{"key", key}, {"size", 5}}}}}});
}

TEST(BucketEvent, all_three_ways_name_the_same_object) {
  const std::string key = "folder/a b+c%2B\xc3\xa9.txt";
  const std::vector<NamedObject> expected{{"bucket", key}};
  EXPECT_EQ(objects_of(FakeQueue::record(key)), expected);
  EXPECT_EQ(objects_of(published(FakeQueue::record(key))), expected);
  EXPECT_EQ(objects_of(by_event_bridge(key)), expected);
  EXPECT_EQ(objects_of(published(by_event_bridge(key))), expected);
}

TEST(BucketEvent, keys_of_any_bytes_come_back) {
  crypto::SeededRng rng(77);
  for (int round = 0; round < 300; ++round) {
    const std::string key(as_text(rng.bytes(1 + rng.below(200))));
    EXPECT_EQ(objects_of(FakeQueue::record(key)), (std::vector<NamedObject>{{"bucket", key}}));
  }
  EXPECT_EQ(objects_of(FakeQueue::record(std::string("a\0b", 3))), (std::vector<NamedObject>{{"bucket", std::string("a\0b", 3)}}));
}

TEST(BucketEvent, servers_that_do_not_say_how_they_write_keys_are_taken_both_ways) {
  std::string record = FakeQueue::record("a b");
  record.replace(record.find("aws:s3"), 6, "ceph:s3");
  EXPECT_EQ(objects_of(record), (std::vector<NamedObject>{{"bucket", "a b"}, {"bucket", "a+b"}}));
  record.replace(record.find("a+b"), 3, "a%b");
  EXPECT_EQ(objects_of(record), (std::vector<NamedObject>{{"bucket", "a%b"}}));
}

TEST(BucketEvent, what_is_surely_not_about_objects_is_told_from_what_is_not_understood) {
  const auto test = decode_bucket_message(R"({"Service":"Amazon S3","Event":"s3:TestEvent","Bucket":"bucket"})");
  ASSERT_TRUE(test.has_value());
  EXPECT_EQ(test->tested_bucket, "bucket");
  for (const std::string_view body : {R"({"detail-type":"EC2 Instance State-change","source":"aws.ec2","detail":{}})",
                                      R"({"Records":[{"eventSource":"aws:ses","ses":{}}]})"}) {
    const auto other = decode_bucket_message(body);
    ASSERT_TRUE(other.has_value()) << body;
    EXPECT_TRUE(other->objects.empty() && !other->tested_bucket && !other->marker);
  }
}

TEST(BucketEvent, whatever_might_hide_a_change_is_an_error) {
  const std::string good = FakeQueue::record("key");
  for (const std::string& body :
       {std::string(), std::string("{}"), std::string("[]"), std::string("hello"), std::string(R"({"Records":[]})"),
        std::string(R"({"Records":{}})"), std::string(R"({"Records":[7]})"), std::string(R"({"Records":[{}]})"),
        std::string(R"({"Records":[{"eventSource":"aws:s3"}]})"),
        std::string(R"({"Records":[{"eventSource":"aws:s3","s3":{"bucket":{"name":"b"},"object":{"key":""}}}]})"),
        std::string(R"({"Records":[{"eventSource":"aws:s3","s3":{"bucket":{"name":"b"},"object":{"key":"%zz"}}}]})"),
        std::string(R"({"Records":[{"eventSource":"aws:s3","s3":{"bucket":{"name":"b"},"object":{"key":5}}}]})"),
        FakeQueue::record(std::string(1025, 'k')), good.substr(0, good.size() - 1), good + "x",
        std::string(R"({"detail-type":"Object Created","source":"aws.s3","detail":{"bucket":{"name":"b"}}})"),
        std::string(R"({"detail-type":"AWS API Call via CloudTrail","source":"aws.s3","detail":{"requestParameters":{}}})"),
        std::string(R"({"detail-type":"Object Created"})"), std::string(R"({"Event":"s3:TestEvent"})"),
        std::string(R"({"Type":"Notification","TopicArn":"t"})"), published("hello"), published(published(good)),
        std::string(R"({"Type":"SubscriptionConfirmation","TopicArn":"t","Message":"m"})"),
        std::string(R"({"holdfast-marker":{"series":"s"}})")}) {
    const auto message = decode_bucket_message(body);
    ASSERT_FALSE(message.has_value()) << body;
    EXPECT_EQ(message.error().code(), ErrorCode::corrupt);
  }
}

TEST(BucketEvent, a_message_that_was_cut_off_anywhere_is_an_error) {
  for (const std::string& good : {FakeQueue::record("some key"), by_event_bridge("k"), published(FakeQueue::record("k")),
                                  encode_marker({"series", "id"})}) {
    for (size_t size = 0; size < good.size(); ++size) EXPECT_FALSE(decode_bucket_message(good.substr(0, size)));
  }
}

TEST(BucketEvent, markers_come_back) {
  const FeedMarker marker{"series \"1\"", "0123"};
  const auto message = decode_bucket_message(encode_marker(marker));
  ASSERT_TRUE(message.has_value());
  EXPECT_EQ(message->marker, marker);
}

TEST(FeedState, comes_back_and_is_refused_in_any_other_form) {
  const FeedState state{.current_only = true, .listed_at = 1'700'000'000'000'000'000, .asked_at = -5, .queue = "q",
                        .marker_id = "m"};
  const Bytes bytes = encode_feed_state(state);
  EXPECT_EQ(to_hex(bytes), "01018080d0e2c6bfce972f090171016d");  // docs/format-files.md
  const auto decoded = decode_feed_state(bytes);
  ASSERT_TRUE(decoded.has_value());
  EXPECT_EQ(*decoded, state);
  for (size_t size = 0; size < bytes.size(); ++size) EXPECT_FALSE(decode_feed_state(ByteView(bytes).first(size)));
  for (const size_t place : {size_t{0}, size_t{1}}) {
    Bytes other = bytes;
    other[place] = std::byte{7};
    EXPECT_FALSE(decode_feed_state(other));
  }
}

constexpr std::string_view queue_arn = FakeQueue::arn;
std::string configured(const std::string& events, const std::string& filter = "", const std::string& queue = std::string(queue_arn)) {
  return "<NotificationConfiguration><QueueConfiguration><Queue>" + queue + "</Queue>" + events + filter +
         "</QueueConfiguration></NotificationConfiguration>";
}
std::string gap(const std::string& document, std::string_view prefix = "", bool expires = false) {
  return notification_gap(as_bytes(document), {.queue_arn = queue_arn, .prefix = prefix, .expires = expires});
}

TEST(NotificationRules, what_is_not_told_is_named) {
  const std::string both = "<Event>s3:ObjectCreated:*</Event><Event>s3:ObjectRemoved:*</Event>";
  EXPECT_EQ(gap(configured(both)), "");
  EXPECT_EQ(gap(configured("<Event>s3:ObjectCreated:*</Event>")), "the bucket does not tell the queue of s3:ObjectRemoved:*");
  EXPECT_EQ(gap(configured(both, "", "arn:other")), "the bucket does not tell the queue of s3:ObjectCreated:*, s3:ObjectRemoved:*");
  EXPECT_EQ(gap(configured(both), "", true), "the bucket does not tell the queue of s3:LifecycleExpiration:*");
  EXPECT_EQ(gap(configured("<Event>s3:ObjectCreated:Put</Event><Event>s3:ObjectCreated:Post</Event>"
                           "<Event>s3:ObjectCreated:Copy</Event><Event>s3:ObjectRemoved:*</Event>")),
            "the bucket does not tell the queue of s3:ObjectCreated:*");
  EXPECT_EQ(gap("<NotificationConfiguration><EventBridgeConfiguration/></NotificationConfiguration>"), "");
  EXPECT_EQ(gap("<NotificationConfiguration/>").substr(0, 30), "the bucket does not tell the q");
  EXPECT_EQ(gap(""), "the bucket sends no notifications");
}

TEST(NotificationRules, a_filter_must_let_all_that_is_backed_up_pass) {
  const std::string both = "<Event>s3:ObjectCreated:*</Event><Event>s3:ObjectRemoved:*</Event>";
  const auto filter = [](const std::string& name, const std::string& value) {
    return "<Filter><S3Key><FilterRule><Name>" + name + "</Name><Value>" + value +
           "</Value></FilterRule></S3Key></Filter>";
  };
  EXPECT_EQ(gap(configured(both, filter("prefix", "photos/")), "photos/2026/"), "");
  EXPECT_EQ(gap(configured(both, filter("Suffix", ""))), "");
  EXPECT_NE(gap(configured(both, filter("prefix", "photos/"))), "");
  EXPECT_NE(gap(configured(both, filter("prefix", "photos/2026/")), "photos/"), "");
  EXPECT_NE(gap(configured(both, filter("suffix", ".jpg")), "photos/"), "");
}

}  // namespace
}  // namespace holdfast::source
