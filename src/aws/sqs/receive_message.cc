// SPDX-License-Identifier: Apache-2.0
#include "aws/sqs/receive_message.h"

#include "aws/sqs/queue_call.h"

namespace holdfast::aws::sqs {

namespace {

constexpr int message_count_max = 10;  // The service's own bound.

}  // namespace

Result<ReceivedMessages> receive_messages(const Queue& queue, const ReceiveMessage& request, std::stop_token stop) {
  const QueueAnswer answer = TRY(call_queue(queue, "ReceiveMessage",
                                            {{"MaxNumberOfMessages", message_count_max},
                                             {"WaitTimeSeconds", request.wait.count()},
                                             {"VisibilityTimeout", request.visibility.count()}},
                                            std::move(stop)));
  ReceivedMessages received;
  received.may_have_lost_some = answer.attempt_count > 1;
  for (const boost::json::object* one : objects_of(answer.body, "Messages")) {
    Message message{text_of(*one, "MessageId"), text_of(*one, "ReceiptHandle"), text_of(*one, "Body")};
    if (message.id.empty() || message.receipt.empty()) {
      return Error(ErrorCode::corrupt, "queue " + queue.url + ": a message without id or receipt");
    }
    received.messages.push_back(std::move(message));
  }
  return received;
}

}  // namespace holdfast::aws::sqs
