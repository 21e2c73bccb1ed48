// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "aws/s3/bucket.h"

namespace holdfast::aws::s3 {

// Removes one version for good; an older one, if there is any, becomes the current one. `denied` if it is retained.
Status delete_version(const Bucket& bucket, std::string_view key, std::string_view version_id,
                      std::stop_token stop = {});

}  // namespace holdfast::aws::s3
