// SPDX-License-Identifier: Apache-2.0
#include "aws/s3/object_version.h"

#include <fmt/format.h>

#include <charconv>

#include "base/check.h"

namespace holdfast::aws::s3 {

namespace {

constexpr uint64_t error_size_bytes_max = 256 * 1024;  // Of an answer that is not what was asked for.

Call version_call(const Bucket& bucket, std::string method, const ObjectVersion& version) {
  Call call = object_call(bucket, std::move(method), version.key);
  if (!version.version_id.empty()) call.query.emplace_back("versionId", version.version_id);
  if (!version.etag.empty()) call.headers.push_back({"If-Match", "\"" + std::string(version.etag) + "\""});
  call.answer_size_bytes_max = error_size_bytes_max;
  return call;
}

Error changed(const Bucket& bucket, const ObjectVersion& version) {
  return Error(ErrorCode::changed, naming(bucket, version.key) + " changed while it was read");
}

Result<net::HttpResponse> send(const Bucket& bucket, const ObjectVersion& version, const Call& call,
                               std::stop_token stop) {
  auto answer = bucket.client.call(call, std::move(stop));
  if (answer) return std::move(answer->response);
  const bool was_replaced = answer.error().code() == ErrorCode::conflict && !version.etag.empty();
  if (was_replaced) return changed(bucket, version);
  return std::move(answer.error()).during("read " + naming(bucket, version.key));
}

}  // namespace

std::optional<uint64_t> header_number(const net::HttpHeaders& headers, std::string_view name) {
  const std::string_view text = net::find_header(headers, name).value_or("");
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

Result<net::HttpHeaders> get_version(const Bucket& bucket, const ObjectVersion& version, MutableByteView out,
                                     std::stop_token stop) {
  Call call = version_call(bucket, "GET", version);
  call.headers.push_back({"x-amz-checksum-mode", "ENABLED"});
  call.into = out;
  call.into_status = out.empty() ? 0 : 200;
  net::HttpResponse response = TRY(send(bucket, version, call, std::move(stop)));
  if (response.status != 200 || response.into_size_bytes != out.size() || !response.body.empty()) {
    return changed(bucket, version);
  }
  return std::move(response.headers);
}

Result<net::HttpHeaders> get_version_range(const Bucket& bucket, const ObjectVersion& version,
                                           const VersionRange& wanted, MutableByteView out, std::stop_token stop) {
  CHECK(!out.empty());
  const uint64_t offset_bytes = wanted.offset_bytes;
  if (offset_bytes > UINT64_MAX - out.size()) return changed(bucket, version);
  const uint64_t last = offset_bytes + out.size() - 1;
  Call call = version_call(bucket, "GET", version);
  call.headers.push_back({"Range", fmt::format("bytes={}-{}", offset_bytes, last)});
  call.into = out;
  call.into_status = 206;
  net::HttpResponse response = TRY(send(bucket, version, call, std::move(stop)));
  if (response.status == 206 && response.into_size_bytes < out.size()) return changed(bucket, version);
  const auto range = net::find_header(response.headers, "content-range");
  if (response.status != 206 || range != fmt::format("bytes {}-{}/{}", offset_bytes, last, wanted.size_bytes)) {
    return Error(ErrorCode::corrupt, "read " + naming(bucket, version.key) + ": the server sent another range");
  }
  return std::move(response.headers);
}

Result<PartHead> head_part(const Bucket& bucket, const ObjectVersion& version, uint64_t number, std::stop_token stop) {
  // Without If-Match, which some servers compare with the part's ETag; who reads the content sees whether it changed.
  Call call = version_call(bucket, "HEAD", {.key = version.key, .version_id = version.version_id, .etag = {}});
  call.query.emplace_back("partNumber", std::to_string(number));
  const net::HttpResponse response = TRY(send(bucket, version, call, std::move(stop)));
  const auto size_bytes = header_number(response.headers, "content-length");
  if (!size_bytes) {
    return Error(ErrorCode::corrupt, "head " + naming(bucket, version.key) + ": no length in the answer");
  }
  return PartHead{.size_bytes = *size_bytes,
                  .part_count = header_number(response.headers, "x-amz-mp-parts-count").value_or(0)};
}

Result<net::HttpHeaders> head_version(const Bucket& bucket, const ObjectVersion& version, std::stop_token stop) {
  Call call = version_call(bucket, "HEAD", version);
  call.headers.push_back({"x-amz-checksum-mode", "ENABLED"});
  net::HttpResponse response = TRY(send(bucket, version, call, std::move(stop)));
  return std::move(response.headers);
}

}  // namespace holdfast::aws::s3
