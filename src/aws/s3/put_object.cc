// SPDX-License-Identifier: Apache-2.0
#include "aws/s3/put_object.h"

#include "aws/base64.h"
#include "base/hash_id.h"

namespace holdfast::aws::s3 {

namespace {

// Some buckets (those with object lock) take no object without a checksum; the code alone does not tell.
bool wants_checksum(const Error& error) {
  if (error.code() != ErrorCode::invalid) return false;
  const std::string& text = error.message();
  return text.find("Content-MD5") != std::string::npos || text.find("checksum") != std::string::npos;
}

std::string value_of(ChecksumKind algorithm, const PutObject& request) {
  if (algorithm == ChecksumKind::sha256) {
    if (const auto known = from_hex(request.payload_hash); known && !known->empty()) return to_base64(*known);
  }
  return checksum_value(algorithm, request.body);
}

Result<Client::Answer> send(const Bucket& bucket, const PutObject& request, std::optional<ChecksumKind> checksum,
                            const std::stop_token& stop) {
  Call call = object_call(bucket, "PUT", request.key);
  call.headers = request.headers;
  if (request.if_exists == IfExists::fail) call.headers.push_back({"If-None-Match", "*"});
  if (checksum) call.headers.push_back({checksum_header_name(*checksum), value_of(*checksum, request)});
  call.body = request.body;
  call.payload_hash = request.payload_hash;
  return bucket.client.call(call, stop).during("put " + naming(bucket, request.key));
}

}  // namespace

Result<PutObjectAnswer> put_object(const Bucket& bucket, const PutObject& request, std::stop_token stop) {
  std::optional<ChecksumKind> checksum = request.checksum;
  if (!checksum && bucket.client.sends_checksums()) checksum = ChecksumKind::crc64nvme;
  auto sent = send(bucket, request, checksum, stop);
  if (!sent && !checksum && wants_checksum(sent.error())) {
    sent = send(bucket, request, ChecksumKind::crc64nvme, stop);
    if (sent) bucket.client.server_insists_on_checksums();
  }
  const Client::Answer answer = TRY(std::move(sent));
  const net::HttpHeaders& headers = answer.response.headers;
  return PutObjectAnswer{.etag = std::string(net::find_header(headers, "etag").value_or("")),
                         .version_id = std::string(net::find_header(headers, "x-amz-version-id").value_or("")),
                         .attempt_count = answer.attempt_count};
}

}  // namespace holdfast::aws::s3
