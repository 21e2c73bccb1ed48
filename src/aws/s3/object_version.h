// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "aws/s3/bucket.h"

// Reading one version of an object.
namespace holdfast::aws::s3 {

struct ObjectVersion {
  std::string_view key = {};
  std::string_view version_id = {};  // Empty: the newest.
  std::string_view etag = {};        // If not empty: of this state only, else `changed`.
};

// Fills `out` with all of the object; the headers come with it, checksums too. `changed` if it is longer or shorter.
Result<net::HttpHeaders> get_version(const Bucket& bucket, const ObjectVersion& version, MutableByteView out,
                                     std::stop_token stop = {});
// Fills `out` from `offset_bytes` on, of an object of `size_bytes`. `changed` if the object ends before that;
// `corrupt` if the server sends another range or tells another size. REQUIRES: !out.empty()
struct VersionRange {
  uint64_t offset_bytes = 0;
  uint64_t size_bytes = 0;
};
Result<net::HttpHeaders> get_version_range(const Bucket& bucket, const ObjectVersion& version,
                                           const VersionRange& range, MutableByteView out, std::stop_token stop = {});

struct PartHead {
  uint64_t size_bytes = 0;
  uint64_t part_count = 0;  // 0: the server does not tell.
};
// Of part `number`, from 1.
Result<PartHead> head_part(const Bucket& bucket, const ObjectVersion& version, uint64_t number,
                           std::stop_token stop = {});
// All headers, checksums too.
Result<net::HttpHeaders> head_version(const Bucket& bucket, const ObjectVersion& version, std::stop_token stop = {});

// Nothing if there is none or it is no number.
std::optional<uint64_t> header_number(const net::HttpHeaders& headers, std::string_view name);

}  // namespace holdfast::aws::s3
