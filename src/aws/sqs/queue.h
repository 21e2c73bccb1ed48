// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "aws/service_parts.h"

namespace holdfast::aws::sqs {

// What names a queue: its URL (https://sqs.REGION.amazonaws.com/ACCOUNT/NAME, or one of another server), or its ARN
// (arn:aws:sqs:REGION:ACCOUNT:NAME).
struct QueueLocation {
  std::string url;                    // Empty of an ARN, until the endpoint is known.
  std::string path;                   // "/ACCOUNT/NAME"
  std::optional<std::string> region;  // As the name tells it.
};
// `invalid` for what it cannot be, and for FIFO queues, to which buckets cannot send.
Result<QueueLocation> parse_queue_location(std::string_view text);

// Where the operations of this folder are sent. `client` must outlive it.
struct Queue {
  Client& client;
  std::string url;
};

// A queue and all that is needed to talk to it. Asks nothing of the server until it is used.
class QueueConnection {
 public:
  QueueConnection(ServiceParts parts, std::string url, Clock& clock, Rng& rng)
      : parts_(std::move(parts)),
        client_(parts_.client, *parts_.transport, *parts_.credentials, clock, rng),
        queue_{.client = client_, .url = std::move(url)} {}
  QueueConnection(const QueueConnection&) = delete;
  QueueConnection& operator=(const QueueConnection&) = delete;
  const Queue& queue() const { return queue_; }

 private:
  ServiceParts parts_;
  Client client_;
  Queue queue_;
};
// Requests go to the host that the queue's URL names; `settings` says the rest, its region where the queue tells none.
Result<std::unique_ptr<QueueConnection>> connect_queue(const QueueLocation& location, SettingsRequest settings,
                                                       const Environment& environment, Clock& clock, Rng& rng);

}  // namespace holdfast::aws::sqs
