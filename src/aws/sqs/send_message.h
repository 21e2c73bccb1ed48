// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "aws/sqs/queue.h"

namespace holdfast::aws::sqs {

// Where an answer is lost the message may stand in the queue twice.
Status send_message(const Queue& queue, std::string_view body, std::stop_token stop = {});

}  // namespace holdfast::aws::sqs
