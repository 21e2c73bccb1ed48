// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

#include "aws/s3/object_settings.h"
#include "format/bucket_attributes.h"

namespace holdfast::target {

// Of an object's version, or with an empty key of the bucket.
Status set_acl(const aws::s3::Bucket& bucket, std::string_view key, std::string_view version_id,
               const format::Acl& acl);
// The same where the version may have it already: asks first.
Status see_to_acl(const aws::s3::Bucket& bucket, std::string_view key, std::string_view version_id,
                  const format::Acl& acl);

}  // namespace holdfast::target
