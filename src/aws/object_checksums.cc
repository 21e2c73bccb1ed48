// SPDX-License-Identifier: Apache-2.0
#include "aws/object_checksums.h"

#include <array>

#include "aws/base64.h"

namespace holdfast::aws {

namespace {
constexpr std::array kinds{ChecksumKind::crc32, ChecksumKind::crc32c, ChecksumKind::crc64nvme, ChecksumKind::sha1,
                           ChecksumKind::sha256};
}

std::string checksum_header_name(ChecksumKind kind) { return "x-amz-checksum-" + std::string(name_of(kind)); }

std::string checksum_value(ChecksumKind kind, std::span<const ByteView> parts) {
  const auto checksum = make_checksum(kind);
  for (const ByteView part : parts) checksum->update(part);
  return to_base64(checksum->value());
}

Status verify_checksums(const net::HttpHeaders& headers, ByteView whole) {
  const auto type = net::find_header(headers, "x-amz-checksum-type");
  if (type && *type == "COMPOSITE") return {};
  for (const ChecksumKind kind : kinds) {
    const auto expected = net::find_header(headers, checksum_header_name(kind));
    // Base64 has no hyphen: behind one stands the number of parts.
    if (!expected || expected->find('-') != std::string_view::npos) continue;
    if (*expected == checksum_value(kind, std::span(&whole, 1))) continue;
    const std::string name(name_of(kind));
    return Error(ErrorCode::corrupt, "the answer differs from its own checksum (" + name + ")");
  }
  return {};
}

}  // namespace holdfast::aws
