// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "aws/s3/bucket.h"

namespace holdfast::aws::s3 {

inline constexpr std::string_view s3_namespace = "http://s3.amazonaws.com/doc/2006-03-01/";

// A setting of a bucket (empty key) or of an object version: "policy", "tagging", "versioning", ...
struct Setting {
  std::string_view key = {};
  std::string_view version_id = {};
  std::string_view name = {};
};

// What the server has there, byte by byte. `not_found` where there is none, `unsupported` where the server knows none.
Result<Bytes> get_setting(const Bucket& bucket, const Setting& setting, std::stop_token stop = {});
// Success whether or not it was there.
Status delete_setting(const Bucket& bucket, const Setting& setting, std::stop_token stop = {});
Status put_setting(const Bucket& bucket, const Setting& setting, ByteView body, std::stop_token stop = {});

}  // namespace holdfast::aws::s3
