// SPDX-License-Identifier: Apache-2.0
#include "aws/s3/head_object.h"

#include <charconv>

namespace holdfast::aws::s3 {

Result<HeadObjectAnswer> head_object(const Bucket& bucket, std::string_view key, std::stop_token stop) {
  const Call call = object_call(bucket, "HEAD", key);
  Client::Answer answer = TRY(bucket.client.call(call, std::move(stop)).during("head " + naming(bucket, key)));
  HeadObjectAnswer head{.headers = std::move(answer.response.headers)};
  const std::string_view text = net::find_header(head.headers, "content-length").value_or("");
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), head.size_bytes);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) {
    return Error(ErrorCode::corrupt, "head " + naming(bucket, key) + ": no length in the answer");
  }
  return head;
}

}  // namespace holdfast::aws::s3
