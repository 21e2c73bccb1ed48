// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "aws/s3/bucket.h"

namespace holdfast::aws::s3 {

struct CreateBucket {
  std::string region;           // "" or "us-east-1": none is named.
  bool object_lock = false;     // Can be had at creation only; brings versions along.
};

// `conflict` if there is one of that name, whoever owns it.
Status create_bucket(const Bucket& bucket, const CreateBucket& request, std::stop_token stop = {});
// `not_found`; `denied` if it is someone else's.
Status head_bucket(const Bucket& bucket, std::stop_token stop = {});
// "Enabled", "Suspended", or empty.
Result<std::string> get_versioning(const Bucket& bucket, std::stop_token stop = {});
Status put_versioning(const Bucket& bucket, std::string_view status, std::stop_token stop = {});

}  // namespace holdfast::aws::s3
