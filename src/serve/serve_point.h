// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <stop_token>
#include <string>

#include "aws/credentials.h"
#include "base/result.h"
#include "net/http_server.h"
#include "vault/vault.h"

namespace holdfast::serve {

// Keys as AWS forms them, of letters and digits alone, for clients that allow nothing else.
aws::Credentials make_credentials(Rng& rng);

struct ServePointRequest {
  vault::PointInfo point;
  std::string bucket;                     // Empty: what bucket_name_of() says.
  net::HttpServerOptions http;
  std::string domain;                     // S3HandlerOptions::domain
  const aws::Credentials* credentials = nullptr;
  size_t cache_size_bytes = 128 << 20;
  std::stop_token stop;
  // Called once it listens.
  std::function<void(const std::string& bucket, uint16_t port)> listening;
  std::function<void(const std::string& what)> complain;  // Any thread.
};

// What a point's bucket is called: that of a bucket by its own name, one of files "files".
std::string bucket_name_of(const vault::PointInfo& point);

// A recovery point as a read-only S3 server, until a stop is asked for. `invalid` for a point of no kind that can be
// shown, or a bucket name that S3 would not take.
Status run_serve_point(vault::Vault& vault, const ServePointRequest& request);

}  // namespace holdfast::serve
