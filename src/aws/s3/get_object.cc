// SPDX-License-Identifier: Apache-2.0
#include "aws/s3/get_object.h"

#include <fmt/format.h>

#include "base/check.h"

namespace holdfast::aws::s3 {

namespace {

constexpr int checksum_attempt_count_max = 3;
constexpr uint64_t error_size_bytes_max = 256 * 1024;  // Of an answer that is not the range asked for.

Error wrong_range(const Bucket& bucket, std::string_view key, std::string_view what) {
  return Error(ErrorCode::corrupt, fmt::format("get {}: {}", naming(bucket, key), what));
}

}  // namespace

Result<GetObjectAnswer> get_object(const Bucket& bucket, std::string_view key, uint64_t size_bytes_max,
                                   std::stop_token stop) {
  Call call = object_call(bucket, "GET", key);
  call.answer_size_bytes_max = size_bytes_max;
  if (bucket.client.options().response_checksums == Checksums::when_supported) {
    call.headers.push_back({"x-amz-checksum-mode", "ENABLED"});
  }
  for (int attempt = 1;; ++attempt) {
    Client::Answer answer = TRY(bucket.client.call(call, stop).during("get " + naming(bucket, key)));
    net::HttpResponse& response = answer.response;
    if (response.status != 200) return wrong_range(bucket, key, "the server sent a part of the object");
    Status verified = verify_checksums(response.headers, response.body);
    if (verified) return GetObjectAnswer{.body = std::move(response.body), .headers = std::move(response.headers)};
    if (attempt == checksum_attempt_count_max) return wrong_range(bucket, key, verified.error().message());
  }
}

Status get_object_range(const Bucket& bucket, std::string_view key, uint64_t offset_bytes, MutableByteView out,
                        std::stop_token stop) {
  CHECK(!out.empty());
  if (offset_bytes > UINT64_MAX - out.size()) return wrong_range(bucket, key, "shorter than expected");
  const uint64_t last = offset_bytes + out.size() - 1;
  Call call = object_call(bucket, "GET", key);
  call.headers.push_back({"Range", fmt::format("bytes={}-{}", offset_bytes, last)});
  call.into = out;
  call.into_status = 206;
  call.answer_size_bytes_max = error_size_bytes_max;
  const auto answered = bucket.client.call(call, std::move(stop));
  if (!answered && answered.error().code() == ErrorCode::corrupt) {
    return Error(answered.error()).during("get " + naming(bucket, key));
  }
  const Client::Answer answer = TRY(Result<Client::Answer>(answered).during("get " + naming(bucket, key)));
  if (answer.response.status == 200) return wrong_range(bucket, key, "the server ignores ranges");
  const std::string wanted = fmt::format("bytes {}-{}/", offset_bytes, last);
  const auto range = net::find_header(answer.response.headers, "content-range");
  if (answer.response.into_size_bytes < out.size()) return wrong_range(bucket, key, "shorter than expected");
  if (!range || !range->starts_with(wanted)) return wrong_range(bucket, key, "the server sent another range");
  return {};
}

}  // namespace holdfast::aws::s3
