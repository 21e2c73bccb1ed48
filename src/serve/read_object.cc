// SPDX-License-Identifier: Apache-2.0
#include "serve/read_object.h"

#include <fmt/format.h>

#include <numeric>

#include "aws/s3/object_text.h"
#include "aws/time_text.h"

namespace holdfast::serve {

namespace {

constexpr int64_t ns_per_second = 1'000'000'000;
constexpr uint64_t part_number_max = 10'000;
// What a request may have the answer say instead.
constexpr std::pair<std::string_view, std::string_view> overrides[] = {
    {"response-cache-control", "Cache-Control"}, {"response-content-disposition", "Content-Disposition"},
    {"response-content-encoding", "Content-Encoding"}, {"response-content-language", "Content-Language"},
    {"response-content-type", "Content-Type"}, {"response-expires", "Expires"}};

// "*", or a list of tags in quotes or without.
bool names_etag(std::string_view list, std::string_view etag) {
  while (!list.empty()) {
    std::string_view item = list.substr(0, list.find(','));
    list.remove_prefix(std::min(list.size(), item.size() + 1));
    while (!item.empty() && item.front() == ' ') item.remove_prefix(1);
    while (!item.empty() && item.back() == ' ') item.remove_suffix(1);
    if (item.starts_with("W/")) item.remove_prefix(2);
    item = aws::s3::unquoted(item);
    if (item == "*" || item == etag) return true;
  }
  return false;
}

enum class Verdict : uint8_t { go_on, not_modified, failed };

// In the order of RFC 9110, 13.2.2.
Verdict judge_conditions(const S3Request& request, const ObjectInfo& object) {
  const UnixTimeNs modified = object.modified / ns_per_second * ns_per_second;
  const auto date = [&](std::string_view name) -> std::optional<UnixTimeNs> {
    const auto text = request.header(name);
    return text ? aws::parse_http_date(*text) : std::nullopt;
  };
  if (const auto match = request.header("if-match")) {
    if (!names_etag(*match, object.etag)) return Verdict::failed;
  } else if (const auto since = date("if-unmodified-since"); since && modified > *since) {
    return Verdict::failed;
  }
  if (const auto none_match = request.header("if-none-match")) {
    if (names_etag(*none_match, object.etag)) return Verdict::not_modified;
  } else if (const auto since = date("if-modified-since"); since && modified <= *since) {
    return Verdict::not_modified;
  }
  return Verdict::go_on;
}

Outcome<ByteRange> range_of_part(const ObjectInfo& object, std::string_view text) {
  const auto number = parse_number(text, part_number_max);
  if (!number || *number == 0) return refuse(400, "InvalidArgument", "Part number must be between 1 and 10000.");
  if (object.part_sizes_bytes.empty() && *number == 1) return ByteRange{0, object.size_bytes};
  if (*number > object.part_sizes_bytes.size()) {
    return refuse(416, "InvalidPartNumber", "The requested partnumber is not satisfiable");
  }
  const auto end = object.part_sizes_bytes.begin() + static_cast<ptrdiff_t>(*number);
  const uint64_t end_bytes = std::accumulate(object.part_sizes_bytes.begin(), end, uint64_t{0});
  return ByteRange{end_bytes - *(end - 1), end_bytes};
}

void add_metadata(const BucketView& bucket, const S3Request& request, const ObjectInfo& object,
                  net::HttpHeaders& headers) {
  headers.push_back({"Last-Modified", aws::http_date(object.modified)});
  headers.push_back({"ETag", "\"" + object.etag + "\""});
  headers.push_back({"Accept-Ranges", "bytes"});
  if (!bucket.versioning().empty()) headers.push_back({"x-amz-version-id", object.version_id});
  if (!object.storage_class.empty() && object.storage_class != "STANDARD") {
    headers.push_back({"x-amz-storage-class", object.storage_class});
  }
  if (!object.tags.empty()) headers.push_back({"x-amz-tagging-count", std::to_string(object.tags.size())});
  net::HttpHeaders own{{"Content-Type", "binary/octet-stream"}};
  const auto set = [&](std::string_view name, std::string_view value) {
    if (net::find_header(own, name)) {
      std::erase_if(own, [&](const auto& header) { return net::find_header({header}, name).has_value(); });
    }
    own.push_back({std::string(name), std::string(value)});
  };
  for (const auto& [name, value] : object.headers) set(name, value);
  for (const auto& [parameter, name] : overrides) {
    if (const auto value = request.parameter_of(parameter)) set(name, *value);
  }
  headers.insert(headers.end(), own.begin(), own.end());
}

}  // namespace

Outcome<ObjectInfo> find_object(BucketView& bucket, const S3Request& request) {
  const auto version = request.parameter_of("versionId");
  if (version && version->empty()) return refuse(400, "InvalidArgument", "Version id cannot be the empty string");
  auto found = TRY_OR_REFUSE(bucket.find(request.key, version));
  if (!found && version) return refuse(404, "NoSuchVersion", "The specified version does not exist.");
  if (!found || (found->is_delete_marker && !version)) {
    return refuse(404, "NoSuchKey", "The specified key does not exist.");
  }
  if (found->is_delete_marker) {
    return refuse(405, "MethodNotAllowed", "The specified method is not allowed against this resource.");
  }
  return std::move(*found);
}

Outcome<void> read_object(BucketView& bucket, const S3Request& request, const net::HttpHeaders& common,
                          const std::function<void(const Error&)>& complain, net::ResponseWriter& response) {
  const ObjectInfo object = TRY_OUTCOME(find_object(bucket, request));
  net::HttpHeaders headers = common;
  const Verdict verdict = judge_conditions(request, object);
  if (verdict == Verdict::failed) {
    return refuse(412, "PreconditionFailed", "At least one of the pre-conditions you specified did not hold");
  }
  if (verdict == Verdict::not_modified) {
    headers.push_back({"ETag", "\"" + object.etag + "\""});
    headers.push_back({"Last-Modified", aws::http_date(object.modified)});
    response.begin(304, headers, 0).ignore("the client is gone");
    return {};
  }
  std::optional<ByteRange> range;
  const auto range_text = request.header("range");
  const auto part_text = request.parameter_of("partNumber");
  if (range_text && part_text) {
    return refuse(400, "InvalidRequest", "Cannot specify both Range header and partNumber query parameter");
  }
  if (range_text) range = TRY_OUTCOME(parse_range(*range_text, object.size_bytes));
  if (part_text) range = TRY_OUTCOME(range_of_part(object, *part_text));
  add_metadata(bucket, request, object, headers);
  if (part_text && !object.part_sizes_bytes.empty()) {
    headers.push_back({"x-amz-mp-parts-count", std::to_string(object.part_sizes_bytes.size())});
  }
  const ByteRange wanted = range.value_or(ByteRange{0, object.size_bytes});
  const bool is_part = range && object.size_bytes > 0;
  if (is_part) {
    headers.push_back({"Content-Range", fmt::format("bytes {}-{}/{}", wanted.begin_bytes, wanted.end_bytes - 1,
                                                    object.size_bytes)});
  } else if (request.header("x-amz-checksum-mode") == "ENABLED") {
    for (const auto& [name, value] : object.checksums) headers.push_back({"x-amz-checksum-" + name, value});
    if (!object.checksum_type.empty()) headers.push_back({"x-amz-checksum-type", object.checksum_type});
  }
  const Status sent = response.begin(is_part ? 206 : 200, headers, wanted.end_bytes - wanted.begin_bytes);
  if (!sent || request.method == "HEAD") return {};
  // What breaks from here on breaks the connection: the client sees that the answer is not whole.
  bool is_client_there = true;
  const Status read = bucket.read(object, wanted.begin_bytes, wanted.end_bytes, [&](ByteView bytes) {
    Status written = response.write(bytes);
    is_client_there = written.has_value();
    return written;
  });
  if (!read && is_client_there) complain(read.error());
  return {};
}

}  // namespace holdfast::serve
