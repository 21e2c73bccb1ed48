// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "aws/s3/bucket.h"

namespace holdfast::aws::s3 {

// Success whether or not it was there; S3 does not tell. In a versioned bucket this leaves a delete marker.
Status delete_object(const Bucket& bucket, std::string_view key, std::stop_token stop = {});

}  // namespace holdfast::aws::s3
