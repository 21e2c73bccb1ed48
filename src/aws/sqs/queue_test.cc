// SPDX-License-Identifier: Apache-2.0
#include "aws/sqs/queue.h"

#include <gtest/gtest.h>

#include "aws/sqs/message_batch.h"
#include "aws/sqs/queue_attributes.h"
#include "aws/sqs/receive_message.h"
#include "aws/sqs/send_message.h"
#include "aws/testing.h"

namespace holdfast::aws::sqs {
namespace {

constexpr std::string_view queue_url = "https://sqs.eu-west-1.amazonaws.com/123456789012/changes";

TEST(QueueLocation, urls_and_arns_name_the_same_queue) {
  const auto by_url = parse_queue_location(queue_url);
  ASSERT_TRUE(by_url.has_value());
  EXPECT_EQ(by_url->url, queue_url);
  EXPECT_EQ(by_url->region, "eu-west-1");
  const auto by_arn = parse_queue_location("arn:aws:sqs:eu-west-1:123456789012:changes");
  ASSERT_TRUE(by_arn.has_value());
  EXPECT_EQ(by_arn->path, by_url->path);
  EXPECT_EQ(by_arn->region, "eu-west-1");
  const auto elsewhere = parse_queue_location("http://127.0.0.1:5000/123456789012/changes");
  ASSERT_TRUE(elsewhere.has_value());
  EXPECT_EQ(elsewhere->region, std::nullopt);
}

TEST(QueueLocation, what_names_no_queue_is_refused) {
  for (const std::string_view text :
       {"", "changes", "https://sqs.eu-west-1.amazonaws.com/", "https://sqs.eu-west-1.amazonaws.com/changes",
        "arn:aws:sns:eu-west-1:123456789012:changes", "arn:aws:sqs:eu-west-1:123456789012:", "s3://bucket/x",
        "arn:aws:sqs:eu-west-1:123456789012:changes.fifo", "https://u:p@host/1/q", "https://host/1/changes.fifo"}) {
    EXPECT_FALSE(parse_queue_location(text).has_value()) << text;
  }
}

class QueueTest : public ::testing::Test {
 protected:
  const Queue& queue(std::vector<Result<net::HttpResponse>> answers) {
    auto transport = std::make_unique<FakeTransport>(in_turn(std::move(answers)));
    transport_ = transport.get();
    ServiceParts parts;
    parts.transport = std::move(transport);
    parts.credentials = std::make_unique<FixedCredentials>();
    parts.client.endpoint = *parse_endpoint("https://sqs.eu-west-1.amazonaws.com");
    parts.client.scope = {.region = "eu-west-1", .service = "sqs"};
    parts.client.retry.attempt_count_max = 3;
    connection_ = std::make_unique<QueueConnection>(std::move(parts), std::string(queue_url), clock_, rng_);
    return connection_->queue();
  }
  FakeClock clock_;
  LargestRng rng_;
  FakeTransport* transport_ = nullptr;
  std::unique_ptr<QueueConnection> connection_;
};

TEST_F(QueueTest, messages_are_received_with_their_receipts) {
  const auto received = receive_messages(
      queue({http_answer(200, R"({"Messages":[{"MessageId":"m","ReceiptHandle":"r","Body":"b\u00e9","MD5OfBody":"x"}]})")}),
      {});
  ASSERT_TRUE(received.has_value()) << received.error().message();
  ASSERT_EQ(received->messages.size(), 1u);
  EXPECT_EQ(received->messages[0].id, "m");
  EXPECT_EQ(received->messages[0].receipt, "r");
  EXPECT_EQ(received->messages[0].body, "b\xc3\xa9");
  EXPECT_FALSE(received->may_have_lost_some);
  const net::HttpRequest sent = transport_->seen()[0];
  EXPECT_EQ(net::find_header(sent.headers, "x-amz-target"), "AmazonSQS.ReceiveMessage");
  EXPECT_EQ(net::find_header(sent.headers, "content-type"), "application/x-amz-json-1.0");
  EXPECT_NE(net::find_header(sent.headers, "authorization")->find("/eu-west-1/sqs/aws4_request"), std::string::npos);
}

TEST_F(QueueTest, an_empty_queue_has_no_messages) {
  for (const std::string_view body : {"{}", R"({"Messages":[]})", R"({"Messages":null})", ""}) {
    const auto received = receive_messages(queue({http_answer(200, body)}), {});
    ASSERT_TRUE(received.has_value()) << body;
    EXPECT_TRUE(received->messages.empty());
  }
}

TEST_F(QueueTest, an_answer_that_was_lost_is_told) {
  const auto received = receive_messages(queue({Error(ErrorCode::io, "reset"), http_answer(200, "{}")}), {});
  ASSERT_TRUE(received.has_value());
  EXPECT_TRUE(received->may_have_lost_some);
}

TEST_F(QueueTest, answers_that_make_no_sense_are_errors) {
  for (const std::string_view body : {"[", "[]", "<a/>", R"({"Messages":[{"MessageId":"m","Body":"b"}]})"}) {
    const auto received = receive_messages(queue({http_answer(200, body)}), {});
    ASSERT_FALSE(received.has_value()) << body;
    EXPECT_EQ(received.error().code(), ErrorCode::corrupt);
  }
}

TEST_F(QueueTest, what_the_service_refuses_has_its_name) {
  const auto gone = receive_messages(
      queue({http_answer(400, R"({"__type":"com.amazonaws.sqs#QueueDoesNotExist","message":"no such queue"})")}), {});
  ASSERT_FALSE(gone.has_value());
  EXPECT_EQ(gone.error().code(), ErrorCode::not_found);
  EXPECT_NE(gone.error().message().find("no such queue"), std::string::npos);
  const auto denied =
      receive_messages(queue({http_answer(400, R"({"__type":"AccessDeniedException","Message":"not you"})")}), {});
  ASSERT_FALSE(denied.has_value());
  EXPECT_EQ(denied.error().code(), ErrorCode::denied);
}

TEST_F(QueueTest, what_is_not_said_to_be_removed_is_not) {
  const std::vector<Message> messages{{"a", "ra", ""}, {"b", "rb", ""}};
  const auto outcome = delete_messages(
      queue({http_answer(200, R"({"Successful":[{"Id":"0"}],"Failed":[{"Id":"1","Code":"ReceiptHandleIsInvalid"}]})")}),
      messages);
  ASSERT_TRUE(outcome.has_value());
  EXPECT_EQ(outcome->refused_count, 1u);
  EXPECT_EQ(outcome->first_reason, "ReceiptHandleIsInvalid");
  const auto silent = change_visibility(queue({http_answer(200, "{}")}), messages, std::chrono::seconds(0));
  ASSERT_TRUE(silent.has_value());
  EXPECT_EQ(silent->refused_count, 2u);
}

TEST_F(QueueTest, attributes_that_are_missing_are_an_error) {
  const auto attributes = get_queue_attributes(queue({http_answer(
      200,
      R"({"Attributes":{"QueueArn":"arn:q","MessageRetentionPeriod":"345600","ApproximateNumberOfMessagesNotVisible":"2"}})")}));
  ASSERT_TRUE(attributes.has_value()) << attributes.error().message();
  EXPECT_EQ(attributes->arn, "arn:q");
  EXPECT_EQ(attributes->retention, std::chrono::hours(96));
  EXPECT_EQ(attributes->held_count, 2u);
  EXPECT_FALSE(get_queue_attributes(queue({http_answer(200, "{}")})).has_value());
  EXPECT_TRUE(send_message(queue({http_answer(200, R"({"MessageId":"m"})")}), "text").has_value());
}

}  // namespace
}  // namespace holdfast::aws::sqs
