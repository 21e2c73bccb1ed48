// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "aws/client.h"

namespace holdfast::aws::s3 {

enum class AddressStyle { path, host };

// Where the operations of this folder are sent. `client` must outlive it.
struct Bucket {
  Client& client;
  std::string name;
  AddressStyle style = AddressStyle::path;
};

// `invalid` unless `name` may be a bucket's: 3 to 63 of [a-z0-9.-], or up to 255 with capitals and underscores as old
// ones and other servers have them.
Status check_bucket_name(std::string_view name);
// Whether a name can be a part of a host name under a wildcard certificate.
bool fits_in_host(std::string_view name);

// A call about the bucket itself, or about one of its objects; `key` is any bytes.
Call bucket_call(const Bucket& bucket, std::string method);
Call object_call(const Bucket& bucket, std::string method, std::string_view key);

// "name", "name, key k": for messages.
std::string naming(const Bucket& bucket, std::string_view key);

}  // namespace holdfast::aws::s3
