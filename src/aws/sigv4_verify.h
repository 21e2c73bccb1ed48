// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>

#include "aws/refusal.h"
#include "aws/sigv4.h"

// The other side of signing: whether a request that came in was signed by who it says. docs/serving.md
namespace holdfast::aws {

inline constexpr std::chrono::minutes clock_skew_max{15};
inline constexpr std::chrono::seconds presigned_lifetime_max{7 * 24 * 3600};

struct ReceivedRequest {
  std::string_view method = {};
  std::string_view path = {};   // As it was sent, percent-encoded.
  std::string_view query = {};  // As it was sent: what stands behind the "?".
  const net::HttpHeaders* headers = nullptr;
};

// What a body must be to fit the signature.
enum class PayloadMode : uint8_t {
  unsigned_,         // Anything.
  hashed,            // Verified::payload_hash is its SHA-256.
  chunks,            // aws-chunked, each chunk signed; the trailer too, if there is one.
  unsigned_chunks,   // aws-chunked with a trailer, nothing signed.
};

struct Verified {
  const Credentials* credentials = nullptr;
  SigningScope scope = {};
  UnixTimeNs signed_at = 0;
  std::string signature = {};  // Seeds the signatures of chunks.
  PayloadMode payload = PayloadMode::unsigned_;
  bool has_trailer = false;
  std::string payload_hash = {};
};

// Null: nobody has that access key.
using CredentialsOf = std::function<const Credentials*(std::string_view access_key_id)>;

// Checks the signature in the Authorization header or in the query, its time, and that nothing of weight is left
// unsigned. Takes any region; the service must be S3. Signatures are compared in constant time.
Outcome<Verified> verify_request(const ReceivedRequest& request, const CredentialsOf& credentials_of,
                                               UnixTimeNs now);

// The parameters of a query in which "+" stands for a blank. `invalid` for a stray "%".
Result<Query> parse_received_query(std::string_view text);

}  // namespace holdfast::aws
