// SPDX-License-Identifier: Apache-2.0
#include "aws/sigv4_verify.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "aws/sigv4_parts.h"
#include "aws/time_text.h"

namespace holdfast::aws {

namespace {

constexpr size_t query_parameter_count_max = 100;
constexpr size_t signed_header_count_max = 100;
constexpr std::string_view service_name = "s3";
constexpr std::string_view terminal = "aws4_request";

auto malformed(std::string message) { return refuse(400, "AuthorizationHeaderMalformed", std::move(message)); }
auto malformed_query(std::string message) {
  return refuse(400, "AuthorizationQueryParametersError", std::move(message));
}

// What a request says of its signature, wherever that stands.
struct Claim {
  bool is_presigned = false;
  std::string access_key_id = {};
  std::string scope_date = {};
  SigningScope scope = {};
  std::vector<std::string> signed_headers = {};
  std::string signature = {};
  std::string date = {};  // As it enters the signature.
  std::chrono::seconds lifetime{0};
};

std::vector<std::string> split(std::string_view text, char mark) {
  std::vector<std::string> parts;
  while (true) {
    const size_t end = text.find(mark);
    parts.emplace_back(text.substr(0, end));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

// All values of that name, folded and joined as they enter a signature; nothing if there is none.
std::optional<std::string> joined_header(const net::HttpHeaders& headers, std::string_view name) {
  std::optional<std::string> joined;
  for (const net::HttpHeader& header : headers) {
    if (net::lower_case(header.name) != name) continue;
    joined = joined ? *joined + "," + folded_value(header.value) : folded_value(header.value);
  }
  return joined;
}

// KEY/20150830/us-east-1/s3/aws4_request; the key may hold slashes itself. False if it is not of that form.
bool take_credential(std::string_view text, Claim& claim) {
  std::vector<std::string> parts = split(text, '/');
  if (parts.size() < 5 || parts.back() != terminal) return false;
  const size_t scope_at = parts.size() - 4;
  claim.scope_date = parts[scope_at];
  claim.scope = {.region = parts[scope_at + 1], .service = parts[scope_at + 2], .path_rule = PathRule::as_sent};
  claim.access_key_id = text.substr(0, text.size() - terminal.size() - claim.scope.service.size() -
                                           claim.scope.region.size() - claim.scope_date.size() - 4);
  return !claim.access_key_id.empty() && !claim.scope.region.empty();
}

bool take_signed_headers(std::string_view text, Claim& claim) {
  claim.signed_headers = split(text, ';');
  return claim.signed_headers.size() <= signed_header_count_max &&
         std::is_sorted(claim.signed_headers.begin(), claim.signed_headers.end()) &&
         std::adjacent_find(claim.signed_headers.begin(), claim.signed_headers.end()) == claim.signed_headers.end();
}

Outcome<Claim> claim_of_header(std::string_view authorization, const net::HttpHeaders& headers) {
  if (!authorization.starts_with(sigv4_algorithm) || authorization.size() == sigv4_algorithm.size() ||
      authorization[sigv4_algorithm.size()] != ' ') {
    return refuse(400, "InvalidRequest",
                  "The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256.");
  }
  Claim claim;
  bool has_credential = false, has_headers = false;
  for (const std::string& part : split(authorization.substr(sigv4_algorithm.size() + 1), ',')) {
    const std::string item = folded_value(part);
    const size_t sign = item.find('=');
    const std::string name = item.substr(0, sign);
    const std::string value = sign == std::string::npos ? "" : item.substr(sign + 1);
    if (name == "Credential" && !has_credential) {
      has_credential = take_credential(value, claim);
    } else if (name == "SignedHeaders" && !has_headers) {
      has_headers = take_signed_headers(value, claim);
    } else if (name == "Signature" && claim.signature.empty()) {
      claim.signature = value;
    } else {
      return malformed("The authorization header is malformed: each part must stand in it once.");
    }
  }
  if (!has_credential || !has_headers || claim.signature.empty()) {
    return malformed("The authorization header is malformed: Credential, SignedHeaders and Signature are needed.");
  }
  const auto amz_date_header = joined_header(headers, "x-amz-date");
  const auto date_header = joined_header(headers, "date");
  if (amz_date_header) {
    claim.date = *amz_date_header;
  } else if (const auto time = date_header ? parse_http_date(*date_header) : std::nullopt) {
    claim.date = amz_date(*time);
  } else {
    return refuse(403, "AccessDenied", "AWS authentication requires a valid Date or x-amz-date header.");
  }
  return claim;
}

Outcome<Claim> claim_of_query(const Query& query) {
  Claim claim{.is_presigned = true};
  std::string algorithm, credential, headers, expires;
  const std::pair<std::string_view, std::string*> wanted[] = {
      {"X-Amz-Algorithm", &algorithm}, {"X-Amz-Credential", &credential}, {"X-Amz-Date", &claim.date},
      {"X-Amz-Expires", &expires},     {"X-Amz-SignedHeaders", &headers}, {"X-Amz-Signature", &claim.signature}};
  for (const auto& [name, place] : wanted) {
    for (const auto& [given, value] : query) {
      if (given != name) continue;
      if (!place->empty()) return malformed_query(fmt::format("{} is given more than once.", name));
      *place = value;
    }
    if (place->empty()) return malformed_query(fmt::format("Query-string authentication needs {}.", name));
  }
  if (algorithm != sigv4_algorithm) return malformed_query("X-Amz-Algorithm only supports AWS4-HMAC-SHA256.");
  if (!take_credential(credential, claim)) return malformed_query("X-Amz-Credential is malformed.");
  if (!take_signed_headers(headers, claim)) return malformed_query("X-Amz-SignedHeaders is malformed.");
  int64_t seconds = 0;
  const auto [end, error] = std::from_chars(expires.data(), expires.data() + expires.size(), seconds);
  if (error != std::errc() || end != expires.data() + expires.size() || seconds < 1 ||
      seconds > presigned_lifetime_max.count()) {
    return malformed_query("X-Amz-Expires must be a number of seconds from 1 to 604800.");
  }
  claim.lifetime = std::chrono::seconds(seconds);
  return claim;
}

Outcome<UnixTimeNs> check_time(const Claim& claim, UnixTimeNs now) {
  const auto signed_at = parse_compact_time(claim.date);
  if (!signed_at) return refuse(403, "AccessDenied", "The date of the signature is not of the form 20150830T123600Z.");
  if (claim.date.substr(0, 8) != claim.scope_date) {
    return malformed("The date in the credential's scope is not that of the signature.");
  }
  const auto age = std::chrono::nanoseconds(now) - std::chrono::nanoseconds(*signed_at);
  if (claim.is_presigned) {
    if (age > claim.lifetime) return refuse(403, "AccessDenied", "Request has expired");
    if (age < -clock_skew_max) return refuse(403, "AccessDenied", "Request is not yet valid");
  } else if (age > clock_skew_max || age < -clock_skew_max) {
    return refuse(403, "RequestTimeTooSkewed",
                  "The difference between the request time and the current time is too large.");
  }
  return *signed_at;
}

// What a header asks for must not be put in by someone else on the way.
Outcome<std::string> signed_header_lines(const Claim& claim, const net::HttpHeaders& headers) {
  const auto is_signed = [&](const std::string& name) {
    return std::binary_search(claim.signed_headers.begin(), claim.signed_headers.end(), name);
  };
  if (!is_signed("host")) return malformed("'Host' must be a signed header.");
  for (const net::HttpHeader& header : headers) {
    const std::string name = net::lower_case(header.name);
    const bool is_harmless = claim.is_presigned && name == "x-amz-content-sha256" && header.value == payload_unsigned;
    if (name.starts_with("x-amz-") && !is_signed(name) && !is_harmless) {
      return refuse(403, "AccessDenied", "There were headers present in the request which were not signed: " + name);
    }
  }
  std::string lines;
  for (const std::string& name : claim.signed_headers) {
    lines += name + ":" + joined_header(headers, name).value_or("") + "\n";
  }
  return lines;
}

bool is_sha256(std::string_view text) {
  return text.size() == 64 && text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

Outcome<void> take_payload(const Claim& claim, const Query& query, const net::HttpHeaders& headers,
                                     Verified& verified) {
  auto given = joined_header(headers, "x-amz-content-sha256");
  for (const auto& [name, value] : query) {
    if (claim.is_presigned && name == "X-Amz-Content-Sha256") given = value;
  }
  if (!given && !claim.is_presigned) {
    return refuse(400, "InvalidRequest", "Missing required header for this request: x-amz-content-sha256");
  }
  verified.payload_hash = given.value_or(std::string(payload_unsigned));
  const std::string& hash = verified.payload_hash;
  verified.has_trailer = hash.ends_with("-TRAILER");
  if (hash == payload_unsigned) {
    verified.payload = PayloadMode::unsigned_;
  } else if (hash == payload_chunked || hash == payload_chunked_trailer) {
    verified.payload = PayloadMode::chunks;
  } else if (hash == payload_unsigned_trailer) {
    verified.payload = PayloadMode::unsigned_chunks;
  } else if (is_sha256(hash)) {
    verified.payload = PayloadMode::hashed;
  } else if (hash.starts_with("STREAMING-")) {
    return refuse(501, "NotImplemented", "This way of signing a body is not supported.");
  } else {
    return refuse(400, "InvalidArgument", "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-…, or a SHA-256.");
  }
  return {};
}

// Who decodes a path and encodes it again gets what everybody signs, whatever a client leaves unencoded on the wire.
Outcome<std::string> canonical_path(std::string_view path) {
  const auto decoded = percent_decode(path);
  if (!decoded) return refuse(400, "InvalidURI", "Couldn't parse the specified URI.");
  return decoded->empty() ? std::string("/") : percent_encode(*decoded, Slash::keep);
}

Outcome<Claim> claim_of(const ReceivedRequest& request, const Query& query) {
  size_t authorization_count = 0;
  for (const net::HttpHeader& header : *request.headers) {
    authorization_count += net::lower_case(header.name) == "authorization";
  }
  const auto has_parameter = [&](std::string_view wanted) {
    return std::any_of(query.begin(), query.end(), [&](const auto& item) { return item.first == wanted; });
  };
  const bool is_presigned = has_parameter("X-Amz-Signature") || has_parameter("X-Amz-Algorithm");
  if (authorization_count + is_presigned > 1) {
    return refuse(400, "InvalidArgument", "Only one auth mechanism allowed.");
  }
  if (has_parameter("AWSAccessKeyId")) {
    return refuse(400, "InvalidRequest",
                  "The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256.");
  }
  if (is_presigned) return claim_of_query(query);
  if (authorization_count == 0) return refuse(403, "AccessDenied", "Access Denied");
  return claim_of_header(*net::find_header(*request.headers, "authorization"), *request.headers);
}

}  // namespace

Result<Query> parse_received_query(std::string_view text) {
  std::string blanks(text);
  for (size_t at = blanks.find('+'); at != std::string::npos; at = blanks.find('+', at)) blanks.replace(at, 1, "%20");
  Query query = TRY(parse_query(blanks));
  if (query.size() > query_parameter_count_max) return Error(ErrorCode::invalid, "too many parameters");
  return query;
}

Outcome<Verified> verify_request(const ReceivedRequest& request, const CredentialsOf& credentials_of, UnixTimeNs now) {
  const auto parsed = parse_received_query(request.query);
  if (!parsed) return refuse(400, "InvalidURI", "Couldn't parse the specified URI.");
  const Claim claim = TRY_OUTCOME(claim_of(request, *parsed));
  if (claim.scope.service != service_name) {
    return malformed("The credential's scope names another service than s3.");
  }
  Verified verified{.scope = claim.scope, .signature = claim.signature};
  verified.signed_at = TRY_OUTCOME(check_time(claim, now));
  const std::string lines = TRY_OUTCOME(signed_header_lines(claim, *request.headers));
  const std::string path = TRY_OUTCOME(canonical_path(request.path));
  TRY_OUTCOME_DO(take_payload(claim, *parsed, *request.headers, verified));
  verified.credentials = credentials_of(claim.access_key_id);
  if (verified.credentials == nullptr) {
    return refuse(403, "InvalidAccessKeyId", "The AWS Access Key Id you provided does not exist in our records.");
  }
  Query signed_query = *parsed;
  std::erase_if(signed_query, [](const auto& item) { return item.first == "X-Amz-Signature"; });
  std::string names;
  for (const std::string& name : claim.signed_headers) names += (names.empty() ? "" : ";") + name;
  const std::string canonical =
      canonical_request_text(request.method, path, signed_query, lines, names, verified.payload_hash);
  const std::string expected = signature_of(canonical, claim.scope, *verified.credentials, claim.date);
  if (!crypto::equal_constant_time(as_bytes(expected), as_bytes(claim.signature))) {
    return refuse(403, "SignatureDoesNotMatch",
                  "The request signature we calculated does not match the signature you provided. Check your key and "
                  "signing method.");
  }
  const bool has_token = net::find_header(*request.headers, "x-amz-security-token").has_value() ||
                         std::any_of(parsed->begin(), parsed->end(),
                                     [](const auto& item) { return item.first == "X-Amz-Security-Token"; });
  if (has_token) return refuse(400, "InvalidToken", "The provided token is malformed or otherwise invalid.");
  return verified;
}

}  // namespace holdfast::aws
