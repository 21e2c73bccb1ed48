// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "serve/bucket_view.h"
#include "serve/s3_request.h"

// Listings, as documents in XML. Their size is bounded by max-keys, whatever the bucket's; keys that a delimiter
// groups are passed over without being read.
namespace holdfast::serve {

Outcome<std::string> list_objects_v1(BucketView& bucket, const S3Request& request);
Outcome<std::string> list_objects_v2(BucketView& bucket, const S3Request& request);
Outcome<std::string> list_object_versions(BucketView& bucket, const S3Request& request);

}  // namespace holdfast::serve
