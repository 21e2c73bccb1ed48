// SPDX-License-Identifier: Apache-2.0
#include "aws/s3/create_bucket.h"

#include "aws/s3/settings_call.h"
#include "aws/xml.h"

namespace holdfast::aws::s3 {

namespace {
constexpr std::string_view region_without_name = "us-east-1";
}

Status create_bucket(const Bucket& bucket, const CreateBucket& request, std::stop_token stop) {
  Call call = bucket_call(bucket, "PUT");
  if (request.object_lock) call.headers.push_back({"x-amz-bucket-object-lock-enabled", "true"});
  std::string body;
  if (!request.region.empty() && request.region != region_without_name) {
    body = "<CreateBucketConfiguration xmlns=\"" + std::string(s3_namespace) + "\"><LocationConstraint>" +
           escape_xml(request.region) + "</LocationConstraint></CreateBucketConfiguration>";
  }
  const ByteView bytes = as_bytes(body);
  call.body = std::span(&bytes, 1);
  TRY_DO(bucket.client.call(call, std::move(stop)).during("create the bucket " + bucket.name));
  return {};
}

Status head_bucket(const Bucket& bucket, std::stop_token stop) {
  TRY_DO(bucket.client.call(bucket_call(bucket, "HEAD"), std::move(stop)).during("look for the bucket " + bucket.name));
  return {};
}

Result<std::string> get_versioning(const Bucket& bucket, std::stop_token stop) {
  const Bytes body = TRY(get_setting(bucket, {.name = "versioning"}, std::move(stop)));
  auto parsed = parse_xml(body, "VersioningConfiguration");
  // As moto calls it where there is none.
  if (!parsed) parsed = parse_xml(body, "GetBucketVersioningResponse");
  const pugi::xml_document document = TRY(std::move(parsed));
  return child_text(document.document_element(), "Status");
}

Status put_versioning(const Bucket& bucket, std::string_view status, std::stop_token stop) {
  const std::string body = "<VersioningConfiguration xmlns=\"" + std::string(s3_namespace) + "\"><Status>" +
                           escape_xml(status) + "</Status></VersioningConfiguration>";
  return put_setting(bucket, {.name = "versioning"}, as_bytes(body), std::move(stop));
}

}  // namespace holdfast::aws::s3
