// SPDX-License-Identifier: Apache-2.0
#include "aws/sqs/send_message.h"

#include "aws/sqs/queue_call.h"

namespace holdfast::aws::sqs {

Status send_message(const Queue& queue, std::string_view body, std::stop_token stop) {
  TRY_DO(call_queue(queue, "SendMessage", {{"MessageBody", body}}, std::move(stop)));
  return {};
}

}  // namespace holdfast::aws::sqs
