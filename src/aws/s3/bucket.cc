// SPDX-License-Identifier: Apache-2.0
#include "aws/s3/bucket.h"

#include <algorithm>

namespace holdfast::aws::s3 {

namespace {

constexpr size_t name_size_max = 255;

bool is_name_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '-' ||
         c == '_' || c == ':';
}

}  // namespace

Status check_bucket_name(std::string_view name) {
  const bool is_good = name.size() >= 3 && name.size() <= name_size_max && name != ".." &&
                       std::all_of(name.begin(), name.end(), is_name_character);
  if (is_good) return {};
  return Error(ErrorCode::invalid, "'" + std::string(name) + "' is no name of a bucket");
}

bool fits_in_host(std::string_view name) {
  return name.size() <= 63 && std::all_of(name.begin(), name.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
         });
}

Call bucket_call(const Bucket& bucket, std::string method) {
  Call call{.method = std::move(method)};
  if (bucket.style == AddressStyle::host) {
    call.host = bucket.name + "." + bucket.client.options().endpoint.host;
  } else {
    call.path = "/" + percent_encode(bucket.name, Slash::encode);
  }
  return call;
}

Call object_call(const Bucket& bucket, std::string method, std::string_view key) {
  Call call = bucket_call(bucket, std::move(method));
  if (bucket.style == AddressStyle::host) call.path.clear();
  call.path += "/" + percent_encode(key, Slash::keep);
  return call;
}

std::string naming(const Bucket& bucket, std::string_view key) {
  return "s3://" + bucket.name + "/" + std::string(key);
}

}  // namespace holdfast::aws::s3
