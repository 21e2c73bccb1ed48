// SPDX-License-Identifier: Apache-2.0
#include "store/s3/s3_location.h"

#include <algorithm>
#include <charconv>
#include <utility>

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
  if (name == "writer" && value == "single") {
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
  S3Location location;
  static_cast<aws::s3::Location&>(location) = TRY(aws::s3::parse_location(url));
  std::string_view prefix = location.prefix;
  while (prefix.starts_with('/')) prefix.remove_prefix(1);
  while (prefix.ends_with('/')) prefix.remove_suffix(1);
  if (prefix.size() > prefix_size_max) return bad(url, "the prefix is too long");
  if (prefix.find("//") != std::string_view::npos) return bad(url, "the prefix has an empty part");
  location.prefix = std::string(prefix);
  for (const auto& [name, value] : std::exchange(location.others, {})) TRY_DO(set_option(url, name, value, location));
  return location;
}

}  // namespace holdfast::store
