// SPDX-License-Identifier: Apache-2.0
#include "aws/s3/object_lock.h"

#include <fmt/format.h>

#include "aws/time_text.h"
#include "aws/xml.h"

namespace holdfast::aws::s3 {

namespace {
constexpr uint64_t answer_size_bytes_max = 64 << 10;
}

Result<bool> has_object_lock(const Bucket& bucket, std::stop_token stop) {
  Call call = bucket_call(bucket, "GET");
  call.query = {{"object-lock", ""}};
  call.answer_size_bytes_max = answer_size_bytes_max;
  const auto answered = bucket.client.call(call, std::move(stop));
  if (!answered) {
    // ObjectLockConfigurationNotFoundError; 404 where the bucket itself is missing too, which the code tells.
    const bool is_missing_bucket = answered.error().message().find("NoSuchBucket") != std::string::npos;
    const ErrorCode code = answered.error().code();
    if ((code == ErrorCode::not_found && !is_missing_bucket) || code == ErrorCode::unsupported) return false;
    return Error(answered.error()).during("object lock of " + bucket.name);
  }
  const auto document = TRY(parse_xml(answered->response.body, "ObjectLockConfiguration").during("object lock"));
  return child_text(document.document_element(), "ObjectLockEnabled") == "Enabled";
}

Status put_object_retention(const Bucket& bucket, std::string_view key, const ObjectRetention& retention,
                            std::stop_token stop) {
  const std::string text =
      fmt::format("<Retention xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Mode>{}</Mode>"
                  "<RetainUntilDate>{}</RetainUntilDate></Retention>",
                  escape_xml(retention.mode), iso_time(retention.until));
  const ByteView body = as_bytes(text);
  Call call = object_call(bucket, "PUT", key);
  call.query = {{"retention", ""}};
  call.body = std::span(&body, 1);
  call.headers.push_back({checksum_header_name(ChecksumKind::sha256),
                          checksum_value(ChecksumKind::sha256, *call.body)});
  TRY_DO(bucket.client.call(call, std::move(stop)).during("retain " + naming(bucket, key)));
  return {};
}

}  // namespace holdfast::aws::s3
