// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "aws/credentials.h"
#include "net/http_server.h"
#include "serve/exchange.h"

namespace holdfast::serve {

// The buckets of a server. Any thread.
class BucketSet {
 public:
  virtual ~BucketSet() = default;
  virtual std::vector<std::shared_ptr<BucketView>> all() = 0;
  // As it is now; those who read share it while newer ones come. Null if there is none of that name.
  virtual std::shared_ptr<BucketView> find(std::string_view name) = 0;
};

struct S3HandlerOptions {
  const aws::Credentials* credentials = nullptr;  // Who may ask; must outlive the handler.
  S3Writer* writer = nullptr;                     // Null: nothing can be written. Must outlive the handler.
  std::string domain = {};                        // Beneath it, the Host names the bucket; see parse_s3_request().
  // Told of what went wrong on our side, and of nothing that a client did. Any thread.
  std::function<void(const std::string& what)> complain = {};
};

// S3's protocol over a set of buckets: every request is authenticated before anything is looked up.
class S3Handler : public net::HttpHandler {
 public:
  // `buckets` and `clock` must outlive it.
  S3Handler(BucketSet& buckets, S3HandlerOptions options, Clock& clock)
      : buckets_(buckets), options_(std::move(options)), clock_(clock) {}
  void handle(const net::ServedRequest& request, net::RequestBody& body, net::ResponseWriter& response) override;

 private:
  Outcome<void> serve(Exchange& exchange);
  Outcome<void> serve_service(Exchange& exchange);
  Outcome<void> serve_bucket(Exchange& exchange, BucketView& bucket);
  Outcome<void> serve_object(Exchange& exchange, BucketView& bucket);
  void complain(const Exchange& exchange, const std::string& what) const;
  void answer_refusal(Exchange& exchange, const aws::Refusal& refusal);

  BucketSet& buckets_;
  const S3HandlerOptions options_;
  Clock& clock_;
  std::atomic<uint64_t> request_count_ = 0;
};

}  // namespace holdfast::serve
