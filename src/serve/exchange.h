// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "aws/received_body.h"
#include "serve/bucket_view.h"
#include "serve/s3_request.h"

namespace holdfast::serve {

// One request with all that its answer needs.
struct Exchange {
  const net::ServedRequest& received;
  net::RequestBody& body;
  net::ResponseWriter& response;
  net::HttpHeaders headers = {};  // Of every answer.
  std::string request_id = {};
  S3Request request = {};
  aws::Verified verified = {};

  // An answer without a document, or with one. That the client is gone is no matter here.
  void answer(int status, const net::HttpHeaders& more);
  void answer_xml(const std::string& xml);
  // The body, to be read and checked; `size_bytes_max`: refuses more. `checksum_of`: see aws::body_terms().
  Outcome<aws::ReceivedBody> open_body(uint64_t size_bytes_max, aws::ChecksumOf checksum_of);
  // The whole of a small body.
  Outcome<std::string> read_document(uint64_t size_bytes_max, aws::ChecksumOf checksum_of);
};

// What a server does beyond reading.
class S3Writer {
 public:
  virtual ~S3Writer() = default;
  // Whether it is for this to answer.
  virtual bool takes(const S3Request& request) const = 0;
  virtual Outcome<void> serve(Exchange& exchange, BucketView& bucket) = 0;
};

}  // namespace holdfast::serve
