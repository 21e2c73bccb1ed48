// SPDX-License-Identifier: Apache-2.0
#include "aws/s3/location.h"

#include <algorithm>

#include "aws/uri.h"

namespace holdfast::aws::s3 {

namespace {

constexpr std::string_view scheme = "s3://";
constexpr std::string_view arn_start = "arn:";
constexpr std::string_view arn_service = ":s3:::";
constexpr size_t key_size_max = 1024;

Error bad(std::string_view text, std::string_view reason) {
  return Error(ErrorCode::invalid, "'" + std::string(text) + "': " + std::string(reason))
      .with_hint("It is s3://BUCKET/PREFIX, then perhaps ?endpoint=URL&region=REGION&style=path.");
}

// What follows the scheme; nothing if it is neither URL nor ARN.
std::optional<std::string_view> without_scheme(std::string_view text) {
  if (text.starts_with(scheme)) return text.substr(scheme.size());
  if (!text.starts_with(arn_start)) return std::nullopt;
  const size_t service = text.find(arn_service);
  const std::string_view partition = text.substr(arn_start.size(), service - arn_start.size());
  if (service == std::string_view::npos || !partition.starts_with("aws")) return std::nullopt;
  return text.substr(service + arn_service.size());
}

void set_option(std::string name, std::string value, Location& location) {
  if (name == "endpoint") {
    location.endpoint_url = std::move(value);
  } else if (name == "region") {
    location.region = std::move(value);
  } else if (name == "profile") {
    location.profile = std::move(value);
  } else if (name == "ca") {
    location.ca_file = std::move(value);
  } else if (name == "style" && (value == "path" || value == "host")) {
    location.style = value == "path" ? AddressStyle::path : AddressStyle::host;
  } else {
    location.others.emplace_back(std::move(name), std::move(value));
  }
}

}  // namespace

bool is_location(std::string_view text) { return without_scheme(text).has_value(); }

Result<Location> parse_location(std::string_view text) {
  const auto rest = without_scheme(text);
  if (!rest) return bad(text, "not an s3:// URL");
  const size_t mark = std::min(rest->find('?'), rest->size());
  const std::string_view place = rest->substr(0, mark);
  const size_t slash = std::min(place.find('/'), place.size());
  Location location;
  location.bucket = place.substr(0, slash);
  TRY_DO(check_bucket_name(location.bucket));
  if (slash < place.size()) location.prefix = place.substr(slash + 1);
  if (location.prefix.size() > key_size_max) return bad(text, "the prefix is too long");
  if (mark == rest->size()) return location;
  for (auto& [name, value] : TRY(parse_query(rest->substr(mark + 1)))) {
    set_option(std::move(name), std::move(value), location);
  }
  return location;
}

}  // namespace holdfast::aws::s3
