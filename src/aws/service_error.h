// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "net/http.h"

namespace holdfast::aws {

// What a service says when it will not do as asked.
struct ServiceError {
  int status = 0;
  std::string code;        // "NoSuchKey"; of the status where the body names none.
  std::string message;     // The server's own words, cut off where they get long.
  std::string request_id;
  std::string region;      // Where the bucket is, if the server says so.
};

// From the body (XML of S3 and the query services, JSON of others) and headers of an answer.
ServiceError read_service_error(const net::HttpResponse& response);

// Is it about the request's moment, so that setting the clock right helps?
bool is_clock_skew(const ServiceError& error);
// Too many requests: the sender must slow down.
bool is_throttling(const ServiceError& error);
// The keys have expired or are not known any more.
bool is_expired_credential(const ServiceError& error);
bool is_transient(const ServiceError& error);

// `not_found`, `conflict` (a precondition failed), `busy` (another request is in the way), `corrupt` (a range beyond
// the end), `no_space`, `denied`, `unsupported`, `refused` (archived), `invalid`, `io` where trying again may help.
Error to_error(const ServiceError& error);

}  // namespace holdfast::aws
