// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <boost/json.hpp>
#include <stop_token>

#include "aws/sqs/queue.h"

namespace holdfast::aws::sqs {

struct QueueAnswer {
  boost::json::object body;
  uint32_t attempt_count = 1;
};

// One operation by name, in the service's JSON protocol; adds the queue's URL. `corrupt` for an answer that is no
// object.
Result<QueueAnswer> call_queue(const Queue& queue, std::string_view operation, boost::json::object body,
                               std::stop_token stop);

// The text under that name; empty if there is none.
std::string text_of(const boost::json::object& object, std::string_view name);
// Its objects, if what is under that name is a list; anything else in it is passed over.
std::vector<const boost::json::object*> objects_of(const boost::json::object& object, std::string_view name);

}  // namespace holdfast::aws::sqs
