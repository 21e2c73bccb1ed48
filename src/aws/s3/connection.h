// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>

#include "aws/client.h"
#include "aws/s3/location.h"
#include "aws/shared_config.h"

namespace holdfast::aws::s3 {

// What a client of a bucket is made of.
struct ConnectionParts {
  std::unique_ptr<net::HttpTransport> transport;
  std::unique_ptr<CredentialProvider> credentials;
  ClientOptions client;
  std::string bucket;
  AddressStyle style = AddressStyle::path;
};
// Endpoint, region, keys and certificates as the SDKs find them, where the location does not say. `clock` and `rng`
// must outlive the parts.
Result<ConnectionParts> make_connection_parts(const Location& location, const Environment& environment, Clock& clock,
                                              Rng& rng);

// A bucket and all that is needed to talk to it. Asks nothing of the server until it is used.
class Connection {
 public:
  Connection(ConnectionParts parts, Clock& clock, Rng& rng)
      : parts_(std::move(parts)),
        client_(parts_.client, *parts_.transport, *parts_.credentials, clock, rng),
        bucket_{.client = client_, .name = parts_.bucket, .style = parts_.style} {}
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  const Bucket& bucket() const { return bucket_; }

 private:
  ConnectionParts parts_;
  Client client_;
  Bucket bucket_;
};

}  // namespace holdfast::aws::s3
