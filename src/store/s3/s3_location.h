// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "aws/s3/bucket.h"

namespace holdfast::store {

// s3://BUCKET[/PREFIX][?endpoint=URL&region=REGION&style=path|host&profile=NAME&ca=FILE&writer=single&cache=SIZE]
struct S3Location {
  std::string bucket;
  std::string prefix;  // Without slashes at its ends; may be empty.
  std::optional<std::string> endpoint_url;
  std::optional<std::string> region;
  std::optional<std::string> profile;
  std::optional<std::string> ca_file;
  std::optional<aws::s3::AddressStyle> style;
  bool single_writer = false;  // The user promises that no two write at once.
  std::optional<uint64_t> cache_size_bytes_max;  // Of copies on this machine; 0: none.
};

// `invalid` for what it does not know.
Result<S3Location> parse_s3_location(std::string_view url);

}  // namespace holdfast::store
