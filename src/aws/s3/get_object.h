// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "aws/s3/bucket.h"

namespace holdfast::aws::s3 {

struct GetObjectAnswer {
  Bytes body;
  net::HttpHeaders headers;
};

// The whole object; `corrupt` if it is longer than `size_bytes_max`, or differs time and again from a checksum that
// came with it.
Result<GetObjectAnswer> get_object(const Bucket& bucket, std::string_view key, uint64_t size_bytes_max,
                                   std::stop_token stop = {});

// Fills `out` from `offset_bytes` on. `corrupt` if the object ends before that, or if the server sends another range.
// REQUIRES: !out.empty()
Status get_object_range(const Bucket& bucket, std::string_view key, uint64_t offset_bytes, MutableByteView out,
                        std::stop_token stop = {});

}  // namespace holdfast::aws::s3
