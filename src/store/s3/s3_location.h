// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string_view>

#include "aws/s3/location.h"

namespace holdfast::store {

// As of any bucket, and besides: [...&writer=single&cache=SIZE]. The prefix has no slashes at its ends.
struct S3Location : aws::s3::Location {
  bool single_writer = false;  // The user promises that no two write at once.
  std::optional<uint64_t> cache_size_bytes_max;  // Of copies on this machine; 0: none.
};

// `invalid` for what it does not know.
Result<S3Location> parse_s3_location(std::string_view url);

}  // namespace holdfast::store
