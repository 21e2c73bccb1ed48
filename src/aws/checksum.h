// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"

namespace holdfast::aws {

// The checksums that S3's clients send along with a body.
enum class ChecksumKind : uint8_t { crc32, crc32c, crc64nvme, sha1, sha256 };
inline constexpr ChecksumKind checksum_kinds[] = {ChecksumKind::crc32, ChecksumKind::crc32c, ChecksumKind::crc64nvme,
                                                  ChecksumKind::sha1, ChecksumKind::sha256};

// "crc32", "crc64nvme", ..., as in "x-amz-checksum-crc32"; nothing if it names none that we know.
std::optional<ChecksumKind> parse_checksum_kind(std::string_view name);
std::string_view name_of(ChecksumKind kind);

class Checksum {
 public:
  virtual ~Checksum() = default;
  virtual void update(ByteView bytes) = 0;
  virtual Bytes value() = 0;  // Once, at the end.
};
std::unique_ptr<Checksum> make_checksum(ChecksumKind kind);

// Whether the checksum of two stretches together follows from theirs.
bool is_crc(ChecksumKind kind);
// That checksum. REQUIRES: is_crc(kind); both are values of that kind.
Bytes combine_crcs(ChecksumKind kind, ByteView first, ByteView second, uint64_t second_size_bytes);

}  // namespace holdfast::aws
