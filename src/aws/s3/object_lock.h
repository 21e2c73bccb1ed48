// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "aws/s3/bucket.h"

namespace holdfast::aws::s3 {

// Whether the bucket was made with object lock.
Result<bool> has_object_lock(const Bucket& bucket, std::stop_token stop = {});

struct ObjectRetention {
  std::string mode;       // GOVERNANCE, COMPLIANCE
  UnixTimeNs until = 0;
};

// Of the current version. `refused` if it would end sooner than it does and may not; `not_found` if there is no object.
Status put_object_retention(const Bucket& bucket, std::string_view key, const ObjectRetention& retention,
                            std::stop_token stop = {});

}  // namespace holdfast::aws::s3
