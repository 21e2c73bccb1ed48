// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "aws/shared_config.h"
#include "store/s3/s3_store.h"

namespace holdfast::store {

// Endpoint, region, keys and certificates as the SDKs find them, where the location does not say.
Result<S3Parts> make_s3_parts(const S3Location& location, const aws::Environment& environment, Clock& clock, Rng& rng);

}  // namespace holdfast::store
