// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <span>

#include "aws/sqs/receive_message.h"

// What is done to messages that were received, ten with each request.
namespace holdfast::aws::sqs {

inline constexpr size_t batch_size_max = 10;

struct BatchOutcome {
  uint64_t refused_count = 0;  // Of messages: it was not done to them.
  std::string first_reason;
};

// Removes them for good. REQUIRES: at most batch_size_max messages, of different ids, in both calls.
Result<BatchOutcome> delete_messages(const Queue& queue, std::span<const Message> messages, std::stop_token stop = {});
// From now on nobody receives them for so long; zero: whoever asks next gets them.
Result<BatchOutcome> change_visibility(const Queue& queue, std::span<const Message> messages,
                                       std::chrono::seconds visibility, std::stop_token stop = {});

}  // namespace holdfast::aws::sqs
