// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>

#include "aws/credentials.h"
#include "aws/uri.h"
#include "crypto/hash.h"
#include "net/http.h"

// AWS Signature Version 4. Own code, because libcurl's signs queries without values, unsorted queries and ARNs in paths
// differently from AWS's SDKs.
namespace holdfast::aws {

// S3 signs a path as it is sent. All other services normalise it and encode it once more.
enum class PathRule { as_sent, normalised };

struct SigningScope {
  std::string region;
  std::string service;
  PathRule path_rule = PathRule::normalised;
};

// What is signed. `headers` holds Host and all else that shall be covered; `path` is percent-encoded as it is sent.
struct SignableRequest {
  std::string method = "GET";
  std::string path = "/";
  Query query = {};
  net::HttpHeaders headers = {};
  std::string payload_hash = {};  // One of those below, or the SHA-256 of the body in hexadecimal digits.
};

inline constexpr std::string_view payload_unsigned = "UNSIGNED-PAYLOAD";
inline constexpr std::string_view payload_chunked = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD";
inline constexpr std::string_view payload_chunked_trailer = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER";
inline constexpr std::string_view payload_unsigned_trailer = "STREAMING-UNSIGNED-PAYLOAD-TRAILER";
std::string payload_hash(std::span<const ByteView> body);

// "20150830T123600Z"
std::string amz_date(UnixTimeNs time);

// Adds X-Amz-Date, X-Amz-Security-Token and Authorization to the headers. Returns the signature.
std::string sign_headers(SignableRequest& request, const SigningScope& scope, const Credentials& credentials,
                         UnixTimeNs now);

// Adds the signature and all that belongs to it to the query: a URL that works for whoever has it until it expires.
void sign_query(SignableRequest& request, const SigningScope& scope, const Credentials& credentials, UnixTimeNs now,
                std::chrono::seconds lifetime);

// The signatures within a body of payload_chunked or payload_chunked_trailer, each bound to the one before it.
class ChunkSigner {
 public:
  // `seed` is what sign_headers() returned, `now` what it was given.
  ChunkSigner(const SigningScope& scope, const Credentials& credentials, UnixTimeNs now, std::string seed);
  // In the order of the body; the last chunk is empty.
  std::string sign_chunk(ByteView chunk);
  // The same for a chunk of which only the SHA-256 is at hand.
  std::string sign_chunk_of(ByteView sha256);
  // Of lines "name:value\n", after the empty chunk.
  std::string sign_trailer(std::string_view lines);

 private:
  std::string sign(std::string_view algorithm, const std::string& text);
  crypto::Hash32 key_;
  std::string date_;
  std::string scope_;
  std::string previous_;
};

}  // namespace holdfast::aws
