// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <stop_token>

#include "aws/sqs/queue.h"

namespace holdfast::aws::sqs {

struct QueueAttributes {
  std::string arn;
  std::chrono::seconds retention{0};  // So long a message lives that nobody removes.
  uint64_t held_count = 0;            // Messages that somebody received and has not removed yet; about so many.
};

// `corrupt` if the queue does not tell how long it keeps messages.
Result<QueueAttributes> get_queue_attributes(const Queue& queue, std::stop_token stop = {});

}  // namespace holdfast::aws::sqs
