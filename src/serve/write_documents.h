// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "aws/checksum.h"
#include "base/bytes.h"
#include "serve/s3_request.h"

// The documents that clients send along with a write.
namespace holdfast::serve {

inline constexpr uint64_t document_size_bytes_max = 4 << 20;
inline constexpr uint32_t part_number_max = 10'000;
inline constexpr size_t deleted_count_max = 1000;

struct NamedPart {
  uint32_t number = 0;
  Bytes md5;
  std::vector<std::pair<aws::ChecksumKind, Bytes>> checksums = {};
};
// "ChecksumCRC32" of documents, of crc32.
std::string element_name_of(aws::ChecksumKind kind);

// <CompleteMultipartUpload>: parts in ascending order. MalformedXML, InvalidPartOrder, InvalidPart, InvalidRequest.
Outcome<std::vector<NamedPart>> parse_complete_multipart(std::string_view text);

struct DeleteList {
  std::vector<std::string> keys;
  bool is_quiet = false;
};
// <Delete>: MalformedXML; NotImplemented for conditions.
Outcome<DeleteList> parse_delete(std::string_view text);

// "a=b&c=d" of x-amz-tagging.
Outcome<std::vector<std::pair<std::string, std::string>>> parse_tagging(std::string_view text);

}  // namespace holdfast::serve
