// SPDX-License-Identifier: Apache-2.0
#include "aws/s3/put_object.h"

namespace holdfast::aws::s3 {

Result<PutObjectAnswer> put_object(const Bucket& bucket, const PutObject& request, std::stop_token stop) {
  Call call = object_call(bucket, "PUT", request.key);
  call.headers = request.headers;
  if (request.if_exists == IfExists::fail) call.headers.push_back({"If-None-Match", "*"});
  call.body = request.body;
  call.payload_hash = request.payload_hash;
  const Client::Answer answer =
      TRY(bucket.client.call(call, std::move(stop)).during("put " + naming(bucket, request.key)));
  const net::HttpHeaders& headers = answer.response.headers;
  return PutObjectAnswer{.etag = std::string(net::find_header(headers, "etag").value_or("")),
                         .version_id = std::string(net::find_header(headers, "x-amz-version-id").value_or("")),
                         .attempt_count = answer.attempt_count};
}

}  // namespace holdfast::aws::s3
