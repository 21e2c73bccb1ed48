// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "aws/s3/bucket.h"

// Objects sent in parts. An upload that is neither completed nor aborted is kept, and paid for, until a rule of the
// bucket clears it away.
namespace holdfast::aws::s3 {

struct Upload {
  std::string key;
  std::string id;
};

// Headers are the object's, as with put_object().
Result<Upload> create_upload(const Bucket& bucket, std::string_view key, const net::HttpHeaders& headers,
                             std::stop_token stop = {});
struct UploadedPart {
  std::string etag;  // As the server gave it.
  std::string checksum_name, checksum_value;  // "CRC32C" and its value, where headers named an algorithm.
};
struct UploadPart {
  uint64_t number = 1;                // From 1.
  std::span<const ByteView> body = {};
  std::string payload_hash = {};      // Of the body (sigv4.h), where it is known already.
  net::HttpHeaders headers = {};      // A checksum of the part, perhaps.
};
Result<UploadedPart> upload_part(const Bucket& bucket, const Upload& upload, const UploadPart& part,
                                 std::stop_token stop = {});
struct CompletedUpload {
  std::string etag;
  std::string version_id;
};
// Parts in order, the first one's number being 1.
Result<CompletedUpload> complete_upload(const Bucket& bucket, const Upload& upload,
                                        const std::vector<UploadedPart>& parts, const net::HttpHeaders& headers,
                                        std::stop_token stop = {});
Status abort_upload(const Bucket& bucket, const Upload& upload, std::stop_token stop = {});

}  // namespace holdfast::aws::s3
