// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "aws/s3/bucket.h"

namespace holdfast::aws::s3 {

struct HeadObjectAnswer {
  uint64_t size_bytes = 0;
  net::HttpHeaders headers;
};

// `not_found` also where the bucket is missing: an answer without a body cannot tell.
Result<HeadObjectAnswer> head_object(const Bucket& bucket, std::string_view key, std::stop_token stop = {});

}  // namespace holdfast::aws::s3
