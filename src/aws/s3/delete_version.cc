// SPDX-License-Identifier: Apache-2.0
#include "aws/s3/delete_version.h"

namespace holdfast::aws::s3 {

Status delete_version(const Bucket& bucket, std::string_view key, std::string_view version_id,
                      std::stop_token stop) {
  Call call = object_call(bucket, "DELETE", key);
  call.query = {{"versionId", std::string(version_id)}};
  TRY_DO(bucket.client.call(call, std::move(stop)).during("delete a version of " + naming(bucket, key)));
  return {};
}

}  // namespace holdfast::aws::s3
