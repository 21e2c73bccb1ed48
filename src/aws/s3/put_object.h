// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "aws/s3/bucket.h"

namespace holdfast::aws::s3 {

enum class IfExists { replace, fail };

struct PutObject {
  std::string_view key = {};
  std::span<const ByteView> body = {};
  std::string payload_hash = {};           // Of the body (sigv4.h), where it is known already.
  IfExists if_exists = IfExists::replace;  // fail: If-None-Match: *
  // Sent along whatever the client's options say. Else the cheapest one, where the client sends any.
  std::optional<ChecksumKind> checksum = {};
  net::HttpHeaders headers = {};           // Content-Type, x-amz-meta-..., x-amz-storage-class and so on.
};

struct PutObjectAnswer {
  std::string etag;
  std::string version_id;
  uint32_t attempt_count = 1;
};

// The server checks the body against its SHA-256, which is signed. `conflict` if the key exists and must not; then, and
// after `io`, an earlier attempt of this very call may have stored it.
Result<PutObjectAnswer> put_object(const Bucket& bucket, const PutObject& request, std::stop_token stop = {});

}  // namespace holdfast::aws::s3
