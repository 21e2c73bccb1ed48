// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <string>

#include "aws/checksum.h"
#include "base/result.h"
#include "net/http.h"

// The checksums that S3 keeps beside objects (x-amz-checksum-...): against damage on the way or at rest, not against
// anybody's will.
namespace holdfast::aws {

// Whether to send checksums, and to ask for them: wherever that is possible, as the SDKs do since 2025, or only where
// the server insists. Requests are signed with the SHA-256 of their bodies all the same.
enum class Checksums : uint8_t { when_required, when_supported };

// "x-amz-checksum-crc64nvme"
std::string checksum_header_name(ChecksumKind kind);
// The checksum's bytes, most significant first, in base64.
std::string checksum_value(ChecksumKind kind, std::span<const ByteView> parts);

// Compares a whole object with every checksum in its answer's headers that is of the whole and of a kind known here.
// `corrupt` if one differs: asking again may help. Checksums of parts ("...-3") say nothing of the whole and are passed
// over.
Status verify_checksums(const net::HttpHeaders& headers, ByteView whole);

}  // namespace holdfast::aws
