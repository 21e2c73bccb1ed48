// SPDX-License-Identifier: Apache-2.0
#include "aws/sqs/message_batch.h"

#include <algorithm>
#include <optional>

#include "aws/sqs/queue_call.h"
#include "base/check.h"

namespace holdfast::aws::sqs {

namespace {

Result<BatchOutcome> call_batch(const Queue& queue, std::string_view operation, std::span<const Message> messages,
                                std::optional<std::chrono::seconds> visibility, std::stop_token stop) {
  CHECK(messages.size() <= batch_size_max);
  if (messages.empty()) return BatchOutcome();
  boost::json::array entries;
  for (const Message& message : messages) {
    boost::json::object entry{{"Id", std::to_string(entries.size())}, {"ReceiptHandle", message.receipt}};
    if (visibility) entry["VisibilityTimeout"] = visibility->count();
    entries.push_back(std::move(entry));
  }
  const QueueAnswer answer = TRY(call_queue(queue, operation, {{"Entries", std::move(entries)}}, std::move(stop)));
  // What is not said to have gone well did not.
  BatchOutcome outcome;
  const size_t done = objects_of(answer.body, "Successful").size();
  outcome.refused_count = messages.size() - std::min(done, messages.size());
  for (const boost::json::object* failed : objects_of(answer.body, "Failed")) {
    if (outcome.first_reason.empty()) outcome.first_reason = text_of(*failed, "Code");
  }
  return outcome;
}

}  // namespace

Result<BatchOutcome> delete_messages(const Queue& queue, std::span<const Message> messages, std::stop_token stop) {
  return call_batch(queue, "DeleteMessageBatch", messages, {}, std::move(stop));
}

Result<BatchOutcome> change_visibility(const Queue& queue, std::span<const Message> messages,
                                       std::chrono::seconds visibility, std::stop_token stop) {
  return call_batch(queue, "ChangeMessageVisibilityBatch", messages, visibility, std::move(stop));
}

}  // namespace holdfast::aws::sqs
