// SPDX-License-Identifier: Apache-2.0
#include "aws/s3/connection.h"

#include "aws/service_parts.h"

namespace holdfast::aws::s3 {

Result<ConnectionParts> make_connection_parts(const Location& location, const Environment& environment, Clock& clock,
                                              Rng& rng) {
  ServiceParts service = TRY(make_service_parts({.service = "s3",
                                                 .profile = location.profile,
                                                 .region = location.region,
                                                 .endpoint_url = location.endpoint_url,
                                                 .ca_file = location.ca_file},
                                                environment, clock, rng));
  ConnectionParts parts;
  parts.bucket = location.bucket;
  parts.client = std::move(service.client);
  parts.client.scope.path_rule = PathRule::as_sent;
  // AWS wants the bucket in the host's name; other servers mostly do not know that.
  const bool by_host = !service.has_own_endpoint && fits_in_host(location.bucket);
  parts.style = location.style.value_or(by_host ? AddressStyle::host : AddressStyle::path);
  parts.transport = std::move(service.transport);
  parts.credentials = std::move(service.credentials);
  return parts;
}

}  // namespace holdfast::aws::s3
