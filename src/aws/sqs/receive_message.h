// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <vector>

#include "aws/sqs/queue.h"

namespace holdfast::aws::sqs {

struct Message {
  std::string id;       // Stays the same when it is received again.
  std::string receipt;  // What this receipt of it is called; the newest counts.
  std::string body;
};

struct ReceiveMessage {
  std::chrono::seconds wait{1};         // At least a second: then all of the queue is asked, and not a sample of it.
  std::chrono::seconds visibility{30};  // So long nobody else receives them, unless they are removed or given back.
};

struct ReceivedMessages {
  std::vector<Message> messages;  // Up to ten, in any order; none: there are none to be had.
  // An answer was lost: what was in it is out of sight for a while.
  bool may_have_lost_some = false;
};

Result<ReceivedMessages> receive_messages(const Queue& queue, const ReceiveMessage& request, std::stop_token stop = {});

}  // namespace holdfast::aws::sqs
