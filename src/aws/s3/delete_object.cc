// SPDX-License-Identifier: Apache-2.0
#include "aws/s3/delete_object.h"

namespace holdfast::aws::s3 {

Status delete_object(const Bucket& bucket, std::string_view key, std::stop_token stop) {
  const Call call = object_call(bucket, "DELETE", key);
  TRY_DO(bucket.client.call(call, std::move(stop)).during("delete " + naming(bucket, key)));
  return {};
}

}  // namespace holdfast::aws::s3
