// SPDX-License-Identifier: Apache-2.0
#include "serve/s3_request.h"

#include <algorithm>
#include <charconv>
#include <set>

namespace holdfast::serve {

namespace {

constexpr size_t key_size_bytes_max = 1024;

// Headers that decide what is done or what is stored. A second one could be read by somebody else.
constexpr std::string_view single_headers[] = {
    "content-md5", "content-type", "expect", "host", "if-match", "if-modified-since", "if-none-match",
    "if-unmodified-since", "range", "transfer-encoding"};

Outcome<void> check_headers(const net::HttpHeaders& headers) {
  std::set<std::string> seen;
  for (const net::HttpHeader& header : headers) {
    const std::string name = net::lower_case(header.name);
    const bool is_single = name.starts_with("x-amz-") || std::find(std::begin(single_headers), std::end(single_headers),
                                                                   name) != std::end(single_headers);
    if (is_single && !seen.insert(name).second) {
      return refuse(400, "InvalidRequest", "The header " + name + " is given more than once.");
    }
  }
  if (!seen.contains("host")) return refuse(400, "InvalidRequest", "A Host header is needed.");
  return {};
}

Outcome<void> check_query(const aws::Query& query) {
  std::set<std::string_view> seen;
  for (const auto& [name, value] : query) {
    if (!seen.insert(name).second) {
      return refuse(400, "InvalidArgument", "The parameter " + name + " is given more than once.");
    }
  }
  return {};
}

// "backups.example.com:9000" -> "backups" beneath the domain example.com; empty if it is beneath none.
std::string bucket_of_host(std::string_view sent, std::string_view domain) {
  std::string host = net::lower_case(sent.substr(0, sent.find(':')));
  if (host.ends_with('.')) host.pop_back();
  for (const std::string_view known : {domain, std::string_view("localhost")}) {
    const std::string suffix = "." + net::lower_case(known);
    if (known.empty() || host.size() <= suffix.size() || !host.ends_with(suffix)) continue;
    return host.substr(0, host.size() - suffix.size());
  }
  return {};
}

}  // namespace

tl::unexpected<aws::Refusal> refuse(const Error& error) {
  aws::Refusal refusal{.status = 500, .code = "InternalError", .message = "We encountered an internal error."};
  if (error.retryable()) {
    refusal = {.status = 503, .code = "ServiceUnavailable", .message = "Please try again."};
  } else if (error.code() == ErrorCode::no_space) {
    refusal = {.status = 507, .code = "InsufficientStorage", .message = "The vault is full."};
  }
  refusal.cause = error.message();
  return tl::unexpected<aws::Refusal>(std::move(refusal));
}

std::optional<std::string_view> S3Request::parameter_of(std::string_view name) const {
  for (const auto& [given, value] : query) {
    if (given == name) return value;
  }
  return std::nullopt;
}

Outcome<S3Request> parse_s3_request(const net::ServedRequest& request, std::string_view domain) {
  S3Request parsed{.method = request.method, .headers = &request.headers};
  const std::string_view target = request.target;
  if (!target.starts_with('/')) return refuse(400, "InvalidURI", "Couldn't parse the specified URI.");
  const size_t mark = std::min(target.find('?'), target.size());
  parsed.path = target.substr(0, mark);
  parsed.query_text = target.substr(std::min(mark + 1, target.size()));
  const auto path = aws::percent_decode(parsed.path);
  auto query = aws::parse_received_query(parsed.query_text);
  if (!path || !query) return refuse(400, "InvalidURI", "Couldn't parse the specified URI.");
  parsed.query = std::move(*query);
  TRY_OUTCOME_DO(check_query(parsed.query));
  TRY_OUTCOME_DO(check_headers(request.headers));
  std::string_view rest = std::string_view(*path).substr(1);
  parsed.bucket = bucket_of_host(*net::find_header(request.headers, "host"), domain);
  if (parsed.bucket.empty()) {
    parsed.bucket = rest.substr(0, rest.find('/'));
    rest.remove_prefix(std::min(rest.size(), parsed.bucket.size() + 1));
    if (parsed.bucket.empty() && !rest.empty()) {
      return refuse(400, "InvalidBucketName", "The specified bucket is not valid.");
    }
  }
  parsed.key = rest;
  if (parsed.key.size() > key_size_bytes_max) return refuse(400, "KeyTooLongError", "Your key is too long.");
  return parsed;
}

std::optional<uint64_t> parse_number(std::string_view text, uint64_t max) {
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc() || end != text.data() + text.size() || value > max) return std::nullopt;
  return value;
}

Outcome<std::optional<ByteRange>> parse_range(std::string_view text, uint64_t size_bytes) {
  constexpr std::string_view unit = "bytes=";
  const std::optional<ByteRange> whole;
  if (!text.starts_with(unit)) return whole;
  text.remove_prefix(unit.size());
  const size_t dash = text.find('-');
  if (dash == std::string_view::npos) return whole;
  const std::string_view first_text = text.substr(0, dash), last_text = text.substr(dash + 1);
  const auto first = parse_number(first_text, UINT64_MAX), last = parse_number(last_text, UINT64_MAX);
  if ((!first && !first_text.empty()) || (!last && !last_text.empty()) || (!first && !last)) return whole;
  if (first && last && *last < *first) return whole;
  ByteRange range{.begin_bytes = 0, .end_bytes = size_bytes};
  if (!first) {
    range.begin_bytes = size_bytes - std::min(*last, size_bytes);
  } else {
    range.begin_bytes = *first;
    if (last) range.end_bytes = std::min(size_bytes, *last == UINT64_MAX ? *last : *last + 1);
  }
  if (range.begin_bytes >= size_bytes) {
    return refuse(416, "InvalidRange", "The requested range is not satisfiable");
  }
  return std::optional(range);
}

}  // namespace holdfast::serve
