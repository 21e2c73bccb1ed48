// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <stop_token>
#include <string>
#include <vector>

#include "aws/sqs/queue.h"
#include "aws/sqs/queue_attributes.h"
#include "aws/sqs/receive_message.h"
#include "source/change_news.h"
#include "source/s3/bucket_event.h"
#include "source/s3/feed_decision.h"

namespace holdfast::source {

struct ChangeFeedOptions {
  std::chrono::nanoseconds listing_interval = std::chrono::hours(24);
  std::function<void(const ChangeNews&)> told = {};  // Once for each scan, before anything is read.
  size_t key_count_max = 100'000;  // Of one scan, held in memory; the message that reaches it is taken whole.
};

// Which messages concern a scan.
struct FeedScope {
  std::string bucket;
  std::string prefix;
  std::string series;
  std::string marker_id;  // Of the point before; empty: none.
};

// A queue that hears of a bucket's changes. Messages are taken by drain(), and removed by remove_taken() once the point
// is safe; whatever else becomes of the run, they come back, at the latest when nobody has removed them for an hour.
// What is not about the bucket is put back and never removed. One thread.
class ChangeFeed {
 public:
  ChangeFeed(std::unique_ptr<aws::sqs::QueueConnection> connection, ChangeFeedOptions options, Rng& rng)
      : connection_(std::move(connection)), options_(std::move(options)), rng_(rng) {}
  // Puts back what was not removed.
  ~ChangeFeed();
  ChangeFeed(const ChangeFeed&) = delete;
  ChangeFeed& operator=(const ChangeFeed&) = delete;

  // Takes what is in the queue, adds the keys that it names, and fills in what it shows.
  Status drain(const FeedScope& scope, std::set<std::string>& keys, FeedFacts& facts, ChangeNews& news,
               std::stop_token stop);
  // Leaves the marker that the next scan is to find. Its id; empty, with a remark, if the queue takes none.
  Result<std::string> leave_marker(const std::string& series, ChangeNews& news, std::stop_token stop);
  // REQUIRES: the point that holds what the messages spoke of is safe.
  Status remove_taken();

  const ChangeFeedOptions& options() const { return options_; }
  const std::string& queue_url() const { return connection_->queue().url; }
  UnixTimeNs now() { return connection_->queue().client.server_time(); }
  const std::string& queue_arn() const { return arn_; }

 private:
  void classify(aws::sqs::Message message, const FeedScope& scope, std::set<std::string>& keys, FeedFacts& facts,
                ChangeNews& news);
  Status remove(std::vector<aws::sqs::Message> messages);
  void put_back(std::map<std::string, aws::sqs::Message>& messages);

  const std::unique_ptr<aws::sqs::QueueConnection> connection_;
  const ChangeFeedOptions options_;
  Rng& rng_;
  std::string arn_;
  // By message id, each with its newest receipt.
  std::map<std::string, aws::sqs::Message> taken_, markers_, outside_, left_;
};

}  // namespace holdfast::source
