// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <boost/json.hpp>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "aws/sqs/queue.h"
#include "aws/testing.h"
#include "aws/uri.h"

// A standard queue in memory behind SQS's wire format, for tests of what listens to buckets. It does whatever such a
// queue may do, every time: it delivers late and early in any order, twice if asked to, and forgets what is too old. It is
// stricter than SQS: what polls shortly, holds no receipt, or removes before it may, fails the test.
namespace holdfast::source::testing {

class FakeQueue {
 public:
  static constexpr std::string_view url = "http://queues.example/123456789012/changes";
  static constexpr std::string_view arn = "arn:aws:sqs:r:123456789012:changes";

  explicit FakeQueue(aws::FakeClock& clock) : clock_(clock) {}

  std::chrono::seconds retention = std::chrono::hours(96);
  size_t batch_size = 10;               // Of one answer; real ones are often smaller than what was asked for.
  bool delivers_twice = false;          // Each message, the second time under another receipt.
  std::function<bool()> may_remove = [] { return true; };
  std::function<std::optional<Result<net::HttpResponse>>(const std::string& operation)> before =
      [](const std::string&) { return std::nullopt; };
  std::function<std::optional<Result<net::HttpResponse>>(const std::string& operation)> after =
      [](const std::string&) { return std::nullopt; };

  void send(const std::string& body) {
    const std::lock_guard lock(mutex_);
    add(body);
  }
  // As S3 would.
  void notify(const std::string& key, const std::string& bucket = "bucket", const std::string& event = "ObjectCreated:Put") {
    send(record(key, bucket, event));
  }
  // One message of many keys.
  void notify_of(const std::vector<std::string>& keys) {
    boost::json::array records;
    for (const std::string& key : keys) records.push_back(boost::json::parse(record(key)).at("Records").at(0));
    send(boost::json::serialize(boost::json::object{{"Records", std::move(records)}}));
  }
  static std::string record(const std::string& key, const std::string& bucket = "bucket",
                            const std::string& event = "ObjectCreated:Put") {
    std::string encoded = aws::percent_encode(key, aws::Slash::keep);
    for (size_t at = encoded.find("%20"); at != std::string::npos; at = encoded.find("%20")) encoded.replace(at, 3, "+");
    return R"({"Records":[{"eventVersion":"2.1","eventSource":"aws:s3","eventName":")" + event +
           R"(","s3":{"s3SchemaVersion":"1.0","bucket":{"name":")" + bucket + R"("},"object":{"key":")" + encoded +
           R"(","sequencer":"0055AED6DCD90281E5"}}}]})";
  }
  // Of all messages that are there, held or not.
  std::vector<std::string> bodies() {
    const std::lock_guard lock(mutex_);
    expire();
    std::vector<std::string> all;
    for (const Message& message : messages_) all.push_back(message.body);
    return all;
  }
  size_t count_of(std::string_view part) {
    size_t count = 0;
    for (const std::string& body : bodies()) count += body.find(part) != std::string::npos;
    return count;
  }
  uint64_t held_count() {
    const std::lock_guard lock(mutex_);
    return held();
  }
  // Somebody else takes those away that hold `part`.
  void take_away(std::string_view part) {
    const std::lock_guard lock(mutex_);
    std::erase_if(messages_, [&](const Message& one) { return one.body.find(part) != std::string::npos; });
  }
  // A reader that dies: it holds so many, and never removes them.
  void hold(size_t count, std::chrono::seconds visibility) {
    const std::lock_guard lock(mutex_);
    for (size_t at = 0; at < std::min(count, messages_.size()); ++at) {
      messages_[at].visible_at = clock_.now() + std::chrono::nanoseconds(visibility).count();
    }
  }
  std::vector<std::string> operations() {
    const std::lock_guard lock(mutex_);
    return std::exchange(operations_, {});
  }

  std::unique_ptr<aws::sqs::QueueConnection> connect(Rng& rng) {
    aws::ServiceParts parts;
    parts.transport =
        std::make_unique<aws::FakeTransport>([this](const net::HttpRequest& request) { return answer(request); });
    parts.credentials = std::make_unique<aws::FixedCredentials>();
    parts.client.endpoint = *aws::parse_endpoint("http://queues.example");
    parts.client.scope = {.region = "r", .service = "sqs"};
    parts.client.retry.attempt_count_max = 2;
    return std::make_unique<aws::sqs::QueueConnection>(std::move(parts), std::string(url), clock_, rng);
  }

 private:
  struct Message {
    std::string id, body;
    UnixTimeNs sent_at = 0, visible_at = 0;
    std::vector<std::string> receipts = {};
  };

  void add(const std::string& body) {
    const UnixTimeNs now = clock_.now();
    messages_.push_back({"m" + std::to_string(++number_), body, now, now});
  }
  void expire() {
    std::erase_if(messages_, [&](const Message& one) {
      return clock_.now() - one.sent_at >= std::chrono::nanoseconds(retention).count();
    });
  }
  uint64_t held() const {
    return static_cast<uint64_t>(std::ranges::count_if(
        messages_, [&](const Message& one) { return one.visible_at > clock_.now(); }));
  }

  Result<net::HttpResponse> answer(const net::HttpRequest& request) {
    const std::string target(net::find_header(request.headers, "x-amz-target").value_or(""));
    EXPECT_TRUE(target.starts_with("AmazonSQS."));
    const std::string operation = target.substr(target.find('.') + 1);
    if (auto instead = before(operation)) return *instead;
    std::string body;
    for (const ByteView part : request.body.value_or(std::span<const ByteView>())) body += as_text(part);
    const boost::json::value parsed = boost::json::parse(body);
    EXPECT_EQ(parsed.at("QueueUrl").as_string(), url);
    auto answered = [&] {
      const std::lock_guard lock(mutex_);
      operations_.push_back(operation);
      expire();
      return aws::http_answer(200, boost::json::serialize(do_it(operation, parsed.as_object())));
    }();
    if (auto instead = after(operation)) return *instead;
    return answered;
  }
  boost::json::object do_it(const std::string& operation, const boost::json::object& body) {
    if (operation == "ReceiveMessage") return receive(body);
    if (operation == "DeleteMessageBatch") return for_entries(body, [this](Message& one, const boost::json::object&) {
      EXPECT_TRUE(may_remove()) << "removed too early: " << one.body;
      one.id.clear();
    });
    if (operation == "ChangeMessageVisibilityBatch") {
      return for_entries(body, [this](Message& one, const boost::json::object& entry) {
        one.visible_at = clock_.now() + entry.at("VisibilityTimeout").to_number<int64_t>() * 1'000'000'000;
      });
    }
    if (operation == "SendMessage") {
      add(std::string(body.at("MessageBody").as_string()));
      return {{"MessageId", messages_.back().id}};
    }
    EXPECT_EQ(operation, "GetQueueAttributes");
    return {{"Attributes",
             {{"QueueArn", arn},
              {"MessageRetentionPeriod", std::to_string(retention.count())},
              {"ApproximateNumberOfMessagesNotVisible", std::to_string(held())}}}};
  }
  boost::json::object receive(const boost::json::object& body) {
    const auto count_max = body.at("MaxNumberOfMessages").to_number<size_t>();
    const auto visibility = std::chrono::seconds(body.at("VisibilityTimeout").to_number<int64_t>());
    EXPECT_TRUE(count_max >= 1 && count_max <= 10);
    EXPECT_GE(body.at("WaitTimeSeconds").to_number<int64_t>(), 1) << "a short poll sees a sample of the queue";
    boost::json::array received;
    // The newest first: nobody may lean on the order.
    for (auto one = messages_.rbegin(); one != messages_.rend() && received.size() < std::min(count_max, batch_size); ++one) {
      if (one->visible_at > clock_.now()) continue;
      one->receipts.push_back("r" + std::to_string(++number_));
      const bool comes_again = delivers_twice && one->receipts.size() % 2 == 1;
      if (!comes_again) one->visible_at = clock_.now() + std::chrono::nanoseconds(visibility).count();
      received.push_back(boost::json::object{
          {"MessageId", one->id}, {"ReceiptHandle", one->receipts.back()}, {"Body", one->body}});
    }
    return {{"Messages", std::move(received)}};
  }
  // An old receipt is told to be good, and nothing is done.
  boost::json::object for_entries(const boost::json::object& body,
                                  const std::function<void(Message&, const boost::json::object&)>& act) {
    const boost::json::array& entries = body.at("Entries").as_array();
    EXPECT_TRUE(!entries.empty() && entries.size() <= 10);
    boost::json::array done, failed;
    for (const boost::json::value& value : entries) {
      const boost::json::object& entry = value.as_object();
      const std::string receipt(entry.at("ReceiptHandle").as_string());
      const auto found = std::ranges::find_if(
          messages_, [&](const Message& one) { return std::ranges::count(one.receipts, receipt) > 0; });
      if (found == messages_.end() && removed_.contains(receipt)) {
        done.push_back(boost::json::object{{"Id", entry.at("Id")}});
        continue;
      }
      if (found == messages_.end()) {
        failed.push_back(boost::json::object{{"Id", entry.at("Id")}, {"Code", "ReceiptHandleIsInvalid"}});
        continue;
      }
      if (found->receipts.back() == receipt) act(*found, entry);
      if (found->id.empty()) removed_.insert(found->receipts.begin(), found->receipts.end());
      done.push_back(boost::json::object{{"Id", entry.at("Id")}});
    }
    std::erase_if(messages_, [](const Message& one) { return one.id.empty(); });
    return {{"Successful", std::move(done)}, {"Failed", std::move(failed)}};
  }

  aws::FakeClock& clock_;
  std::mutex mutex_;
  std::deque<Message> messages_;
  std::set<std::string> removed_;  // Receipts of messages that are gone.
  std::vector<std::string> operations_;
  int number_ = 0;
};

// A bucket's document that lets the queue hear of everything.
inline const std::string notifies_queue =
    "<NotificationConfiguration><QueueConfiguration><Queue>" + std::string(FakeQueue::arn) +
    "</Queue><Event>s3:ObjectCreated:*</Event><Event>s3:ObjectRemoved:*</Event></QueueConfiguration>"
    "</NotificationConfiguration>";

}  // namespace holdfast::source::testing
