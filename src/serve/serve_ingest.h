// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <functional>
#include <stop_token>
#include <string>

#include "aws/credentials.h"
#include "base/result.h"
#include "net/http_server.h"
#include "vault/vault.h"

namespace holdfast::serve {

struct ServeIngestRequest {
  std::string bucket;
  std::string host, user, program_version;  // What its points say.
  net::HttpServerOptions http;
  std::string domain;                              // S3HandlerOptions::domain
  const aws::Credentials* credentials = nullptr;
  std::chrono::nanoseconds upload_idle_max = std::chrono::hours(24);
  size_t cache_size_bytes = 64 << 20;
  std::stop_token stop;
  std::function<void(uint16_t port)> listening;           // Called once it listens.
  // Keeps what the vault has come to for later runs (job::IngestOptions::remember): a server may run for months and be
  // killed, and the newest points must be missed if they are taken away.
  std::function<void()> remember;
  std::function<void(const std::string& what)> complain;  // Any thread.
};

// What the points of an ingested bucket are of: their kind is that of any bucket.
std::string ingest_root(const std::string& bucket);

// An S3 server with one bucket, whose uploads become recovery points, until a stop is asked for. One server a bucket.
Status run_serve_ingest(vault::Vault& vault, const ServeIngestRequest& request);

}  // namespace holdfast::serve
