// SPDX-License-Identifier: Apache-2.0
#include "store/s3/s3_location.h"

#include <algorithm>
#include <charconv>

#include "aws/uri.h"

namespace holdfast::store {

namespace {

constexpr std::string_view scheme = "s3://";
constexpr size_t prefix_size_max = 512;

Error bad(std::string_view url, std::string_view reason) {
  return Error(ErrorCode::invalid, "'" + std::string(url) + "': " + std::string(reason))
      .with_hint("It is s3://BUCKET/PREFIX, then perhaps ?endpoint=URL&region=REGION&style=path.");
}

// Bytes, perhaps with K, M, G or T behind them.
std::optional<uint64_t> parse_size(std::string_view text) {
  constexpr std::string_view units = "KMGT";
  const size_t unit = text.empty() ? std::string_view::npos : units.find(text.back());
  if (unit != std::string_view::npos) text.remove_suffix(1);
  const unsigned shift = unit == std::string_view::npos ? 0 : 10 * (static_cast<unsigned>(unit) + 1);
  uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (text.empty() || error != std::errc() || end != text.data() + text.size() || number > (UINT64_MAX >> shift)) {
    return std::nullopt;
  }
  return number << shift;
}

Status set_option(std::string_view url, const std::string& name, const std::string& value, S3Location& location) {
  if (name == "endpoint") {
    location.endpoint_url = value;
  } else if (name == "region") {
    location.region = value;
  } else if (name == "profile") {
    location.profile = value;
  } else if (name == "ca") {
    location.ca_file = value;
  } else if (name == "style" && value == "path") {
    location.style = aws::s3::AddressStyle::path;
  } else if (name == "style" && value == "host") {
    location.style = aws::s3::AddressStyle::host;
  } else if (name == "writer" && value == "single") {
    location.single_writer = true;
  } else if (name == "cache" && parse_size(value)) {
    location.cache_size_bytes_max = parse_size(value);
  } else {
    return bad(url, "'" + name + "=" + value + "' is unknown");
  }
  return {};
}

}  // namespace

Result<S3Location> parse_s3_location(std::string_view url) {
  if (!url.starts_with(scheme)) return bad(url, "not an s3:// URL");
  const std::string_view rest = url.substr(scheme.size());
  const size_t mark = std::min(rest.find('?'), rest.size());
  const std::string_view place = rest.substr(0, mark);
  const size_t slash = std::min(place.find('/'), place.size());
  S3Location location;
  location.bucket = place.substr(0, slash);
  TRY_DO(aws::s3::check_bucket_name(location.bucket));
  std::string_view prefix = place.substr(slash);
  while (prefix.starts_with('/')) prefix.remove_prefix(1);
  while (prefix.ends_with('/')) prefix.remove_suffix(1);
  if (prefix.size() > prefix_size_max) return bad(url, "the prefix is too long");
  if (prefix.find("//") != std::string_view::npos) return bad(url, "the prefix has an empty part");
  location.prefix = prefix;
  const aws::Query options =
      mark == rest.size() ? aws::Query() : TRY(aws::parse_query(rest.substr(mark + 1)));
  for (const auto& [name, value] : options) TRY_DO(set_option(url, name, value, location));
  return location;
}

}  // namespace holdfast::store
