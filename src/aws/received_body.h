// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <optional>

#include "aws/checksum.h"
#include "aws/sigv4_verify.h"

namespace holdfast::aws {

inline constexpr uint64_t chunk_size_bytes_max = 5ULL << 30;
inline constexpr size_t chunk_line_size_bytes_max = 4096;   // "SIZE;chunk-signature=…", and each line of a trailer.
inline constexpr size_t trailer_line_count_max = 16;

// The bytes of a request's body as they come from the wire: up to out.size(), 0 at the end. `io`: the client is gone or
// too slow; `invalid`: broken framing.
using WireReader = std::function<Result<size_t>(MutableByteView out)>;

// What a body must come to, by the request's headers.
struct BodyTerms {
  uint64_t size_bytes_max = 0;               // More is EntityTooLarge.
  std::optional<uint64_t> size_bytes;        // Exactly so many once decoded, if known.
  std::optional<Bytes> md5;                  // Content-MD5
  std::optional<ChecksumKind> checksum;      // Announced in a header, or for the trailer.
  std::optional<Bytes> checksum_value;       // Nothing: it comes in the trailer.
};
// Whose the x-amz-checksum-* in a request's headers is: that of the body it has, or of an object that it speaks of.
enum class ChecksumOf : uint8_t { body, object };
// From Content-Length or x-amz-decoded-content-length, Content-MD5, x-amz-checksum-* and x-amz-trailer.
Outcome<BodyTerms> body_terms(const net::HttpHeaders& headers, const Verified& verified,
                              std::optional<uint64_t> wire_size_bytes, uint64_t size_bytes_max, ChecksumOf checksum_of);

// "BASE64" as the value of x-amz-checksum-KIND; InvalidRequest if it is none.
Outcome<Bytes> decode_checksum(ChecksumKind kind, std::string_view text);

// A body whose every byte is accounted for: aws-chunked is decoded; signatures, hashes, checksums, sizes are checked.
// What read() yields is to be believed only once it has yielded 0.
class ReceivedBody {
 public:
  ReceivedBody(WireReader wire, Verified verified, BodyTerms terms);
  ~ReceivedBody();
  ReceivedBody(ReceivedBody&&) noexcept;
  // Up to out.size() bytes of what the client meant; 0 at the end, when all was right.
  Outcome<size_t> read(MutableByteView out);
  uint64_t size_bytes() const;      // Read so far.
  Bytes md5();                      // Once, at the end.
  // The kind that was announced; its value may be yet to come.
  std::optional<ChecksumKind> checksum_kind() const;
  // The checksum that the client gave and that was right; nothing if it gave none.
  const std::optional<std::pair<ChecksumKind, Bytes>>& checksum() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace holdfast::aws
