// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "aws/s3/bucket.h"

namespace holdfast::aws::s3 {

// s3://BUCKET[/PREFIX][?endpoint=URL&region=REGION&style=path|host&profile=NAME&ca=FILE...], or the ARN
// arn:aws:s3:::BUCKET[/PREFIX], which takes the same options.
struct Location {
  std::string bucket;
  std::string prefix;  // As given, any bytes but '?'; may be empty.
  std::optional<std::string> endpoint_url;
  std::optional<std::string> region;
  std::optional<std::string> profile;
  std::optional<std::string> ca_file;
  std::optional<AddressStyle> style;
  Query others;        // Options that are not of this list.
  // "s3://BUCKET/PREFIX" without options: what names the place to a person.
  std::string name() const { return "s3://" + bucket + (prefix.empty() ? "" : "/" + prefix); }
};

bool is_location(std::string_view text);
// `invalid` for what it cannot be.
Result<Location> parse_location(std::string_view text);

}  // namespace holdfast::aws::s3
