// SPDX-License-Identifier: Apache-2.0
#include "source/s3/change_feed.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "aws/sqs/message_batch.h"
#include "aws/sqs/send_message.h"
#include "base/hash_id.h"

// Events say where to look, never what is there: for every key that a message names the bucket is asked. So it does not
// matter in which order they come, how often, or what they claim. What matters is that none is lost:
//
//  - A message is removed only after the point that took it in was committed. A run that ends before leaves it.
//  - Each run leaves a marker in the queue and writes its id into its point. Whoever builds upon that point must find
//    the marker: if it is gone, so may be events (the queue was purged or made anew, kept them too short a time, moved
//    them to a dead-letter queue; another backup took them; the point that they went into was forgotten), and all is
//    listed.
//  - The marker is removed before the events are: events that are gone never leave it behind.
namespace holdfast::source {

namespace {

constexpr std::chrono::seconds wait_for_more{1};
constexpr std::chrono::seconds held_back = std::chrono::hours(1);
// The service lets nobody hold more than 120,000 at a time.
constexpr uint64_t message_count_max = 100'000;

std::string named(const aws::sqs::Message& message) { return "message " + message.id; }

}  // namespace

ChangeFeed::~ChangeFeed() {
  for (auto* messages : {&markers_, &taken_, &outside_, &left_}) put_back(*messages);
}

// Whatever fails here, the messages come back by themselves.
void ChangeFeed::put_back(std::map<std::string, aws::sqs::Message>& messages) {
  std::vector<aws::sqs::Message> batch;
  const auto send = [&] {
    const auto done = aws::sqs::change_visibility(connection_->queue(), batch, std::chrono::seconds(0));
    batch.clear();
    return done.has_value();
  };
  for (auto& [id, message] : messages) {
    batch.push_back(std::move(message));
    if (batch.size() == aws::sqs::batch_size_max && !send()) return;
  }
  messages.clear();
  send();
}

void ChangeFeed::classify(aws::sqs::Message message, const FeedScope& scope, std::set<std::string>& keys,
                          FeedFacts& facts, ChangeNews& news) {
  const auto remember = [&](std::map<std::string, aws::sqs::Message>& place) {
    message.body.clear();
    return place.insert_or_assign(message.id, std::move(message)).second;
  };
  auto read = decode_bucket_message(message.body);
  if (!read) {
    facts.unclear_message = named(message) + ": " + read.error().message();
    remember(left_);
    return;
  }
  if (read->marker) {
    const bool is_ours = read->marker->series == scope.series;
    facts.has_foreign_marker = facts.has_foreign_marker || !is_ours;
    const bool is_awaited = is_ours && !scope.marker_id.empty() && read->marker->id == scope.marker_id;
    facts.has_marker = facts.has_marker || is_awaited;
    remember(is_ours ? markers_ : left_);
    return;
  }
  bool is_of_bucket = !read->objects.empty() || read->tested_bucket == scope.bucket;
  bool is_beneath_prefix = false;
  for (const NamedObject& object : read->objects) {
    if (object.bucket != scope.bucket) {
      facts.foreign_bucket = object.bucket;
      is_of_bucket = false;
    } else if (object.key.starts_with(scope.prefix)) {
      keys.insert(object.key);
      is_beneath_prefix = true;
    }
  }
  if (!is_of_bucket) {
    remember(left_);
  } else if (is_beneath_prefix || read->tested_bucket) {
    if (remember(taken_) && is_beneath_prefix) ++news.event_count;
  } else {
    remember(outside_);
  }
}

Status ChangeFeed::drain(const FeedScope& scope, std::set<std::string>& keys, FeedFacts& facts, ChangeNews& news,
                         std::stop_token stop) {
  const aws::sqs::Queue& queue = connection_->queue();
  // Before anything is taken: what is held now is held by others.
  const aws::sqs::QueueAttributes attributes = TRY(aws::sqs::get_queue_attributes(queue, stop));
  arn_ = attributes.arn;
  facts.retention = attributes.retention;
  facts.held_count = attributes.held_count;
  uint64_t received_count = 0;
  // One message may name many keys.
  while (received_count < message_count_max && keys.size() < options_.key_count_max && !facts.was_emptied) {
    if (stop.stop_requested()) return Error(ErrorCode::cancelled, "scan was stopped");
    aws::sqs::ReceivedMessages received =
        TRY(aws::sqs::receive_messages(queue, {.wait = wait_for_more, .visibility = held_back}, stop));
    facts.may_have_lost_some = facts.may_have_lost_some || received.may_have_lost_some;
    facts.was_emptied = received.messages.empty();
    received_count += received.messages.size();
    for (aws::sqs::Message& message : received.messages) classify(std::move(message), scope, keys, facts, news);
  }
  // What lies beside the prefix may be awaited by whoever else there is.
  const bool is_shared = facts.has_foreign_marker || facts.held_count > 0;
  (is_shared ? left_ : taken_).merge(outside_);
  if (!left_.empty()) {
    news.remarks.push_back(fmt::format("{} messages in the queue are not this backup's and were left there",
                                       left_.size()));
  }
  return {};
}

Result<std::string> ChangeFeed::leave_marker(const std::string& series, ChangeNews& news, std::stop_token stop) {
  std::array<std::byte, 16> random{};
  rng_.fill(random);
  const std::string id = to_hex(random);
  Status sent = aws::sqs::send_message(connection_->queue(), encode_marker({series, id}), std::move(stop));
  if (sent) return id;
  if (sent.error().code() == ErrorCode::cancelled) return std::move(sent.error());
  news.remarks.push_back("no marker could be left in the queue, so that the next backup lists everything: " +
                         sent.error().message());
  return std::string();
}

Status ChangeFeed::remove(std::vector<aws::sqs::Message> messages) {
  uint64_t refused_count = 0;
  std::string reason;
  for (size_t begin = 0; begin < messages.size(); begin += aws::sqs::batch_size_max) {
    const size_t count = std::min(aws::sqs::batch_size_max, messages.size() - begin);
    const auto outcome = aws::sqs::delete_messages(connection_->queue(), std::span(messages).subspan(begin, count));
    if (!outcome) {
      refused_count += messages.size() - begin;
      reason = outcome.error().message();
      break;
    }
    refused_count += outcome->refused_count;
    if (reason.empty()) reason = outcome->first_reason;
  }
  if (refused_count == 0) return {};
  return Error(ErrorCode::io, fmt::format("{} messages could not be removed from the queue and will come back: {}",
                                          refused_count, reason));
}

Status ChangeFeed::remove_taken() {
  for (auto* place : {&markers_, &taken_}) {
    std::vector<aws::sqs::Message> messages;
    for (auto& [id, message] : *place) messages.push_back(message);
    TRY_DO(remove(std::move(messages)));
    place->clear();
  }
  return {};
}

}  // namespace holdfast::source
