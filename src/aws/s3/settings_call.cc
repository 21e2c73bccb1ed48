// SPDX-License-Identifier: Apache-2.0
#include "aws/s3/settings_call.h"

#include "aws/base64.h"
#include "crypto/sha256.h"

namespace holdfast::aws::s3 {

namespace {

constexpr uint64_t document_size_bytes_max = 4 << 20;

Call setting_call(const Bucket& bucket, const Setting& setting, std::string method) {
  Call call = setting.key.empty() ? bucket_call(bucket, std::move(method))
                                  : object_call(bucket, std::move(method), setting.key);
  call.query.emplace_back(setting.name, "");
  if (!setting.version_id.empty()) call.query.emplace_back("versionId", setting.version_id);
  call.answer_size_bytes_max = document_size_bytes_max;
  return call;
}

std::string doing(const Bucket& bucket, const Setting& setting, std::string_view verb) {
  return std::string(verb) + " the " + std::string(setting.name) + " of " + naming(bucket, setting.key);
}

}  // namespace

Result<Bytes> get_setting(const Bucket& bucket, const Setting& setting, std::stop_token stop) {
  const Call call = setting_call(bucket, setting, "GET");
  Client::Answer answer = TRY(bucket.client.call(call, std::move(stop)).during(doing(bucket, setting, "read")));
  return std::move(answer.response.body);
}

Status delete_setting(const Bucket& bucket, const Setting& setting, std::stop_token stop) {
  const Call call = setting_call(bucket, setting, "DELETE");
  TRY_DO(bucket.client.call(call, std::move(stop)).during(doing(bucket, setting, "remove")));
  return {};
}

Status put_setting(const Bucket& bucket, const Setting& setting, ByteView body, std::stop_token stop) {
  Call call = setting_call(bucket, setting, "PUT");
  call.body = std::span(&body, 1);
  // Most settings are taken with a checksum only.
  call.headers.push_back({"x-amz-checksum-sha256", to_base64(crypto::sha256(body))});
  TRY_DO(bucket.client.call(call, std::move(stop)).during(doing(bucket, setting, "set")));
  return {};
}

}  // namespace holdfast::aws::s3
