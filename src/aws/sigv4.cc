// SPDX-License-Identifier: Apache-2.0
#include "aws/sigv4.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "aws/sigv4_parts.h"
#include "aws/time_text.h"
#include "base/hash_id.h"
#include "crypto/sha256.h"

namespace holdfast::aws {

namespace {

constexpr std::string_view empty_hash = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

// Proxies and curl may rewrite these, so that a signature must not depend on them.
constexpr std::array<std::string_view, 4> never_signed{"authorization", "expect", "user-agent", "x-amzn-trace-id"};

std::string hex(const crypto::Hash32& hash) { return to_hex(ByteView(hash)); }

// Removes "." and "..", and slashes that stand together.
std::string normalised(std::string_view path) {
  std::vector<std::string_view> kept;
  size_t at = 0;
  while (at <= path.size()) {
    const size_t end = std::min(path.find('/', at), path.size());
    const std::string_view part = path.substr(at, end - at);
    if (part == "..") {
      if (!kept.empty()) kept.pop_back();
    } else if (!part.empty() && part != ".") {
      kept.push_back(part);
    }
    at = end + 1;
  }
  std::string out;
  for (const std::string_view part : kept) {
    out += '/';
    out += part;
  }
  if (out.empty() || path.ends_with('/')) out += '/';
  return out;
}

std::string canonical_path(const std::string& path, PathRule rule) {
  if (rule == PathRule::as_sent) return path.empty() ? "/" : path;
  return percent_encode(normalised(path), Slash::keep);
}

struct Canonical {
  std::string text;
  std::string signed_headers;
};

Canonical canonical_request(const SignableRequest& request, PathRule rule) {
  std::map<std::string, std::string> headers;
  for (const net::HttpHeader& header : request.headers) {
    const std::string name = net::lower_case(header.name);
    if (std::find(never_signed.begin(), never_signed.end(), name) != never_signed.end()) continue;
    const auto [at, is_new] = headers.emplace(name, folded_value(header.value));
    if (!is_new) at->second += "," + folded_value(header.value);
  }
  Canonical canonical;
  std::string lines;
  for (const auto& [name, value] : headers) {
    lines += name + ":" + value + "\n";
    canonical.signed_headers += (canonical.signed_headers.empty() ? "" : ";") + name;
  }
  canonical.text = canonical_request_text(request.method, canonical_path(request.path, rule), request.query, lines,
                                          canonical.signed_headers, request.payload_hash);
  return canonical;
}

void put_header(net::HttpHeaders& headers, std::string name, std::string value) {
  const std::string wanted = net::lower_case(name);
  std::erase_if(headers, [&](const net::HttpHeader& header) { return net::lower_case(header.name) == wanted; });
  headers.push_back({.name = std::move(name), .value = std::move(value)});
}

}  // namespace

std::string folded_value(std::string_view value) {
  std::string out;
  bool blank = false;
  for (const char c : value) {
    if (c == ' ' || c == '\t') {
      blank = !out.empty();
      continue;
    }
    if (blank) out += ' ';
    blank = false;
    out += c;
  }
  return out;
}

std::string canonical_request_text(std::string_view method, std::string_view path, const Query& query,
                                   std::string_view header_lines, std::string_view signed_headers,
                                   std::string_view payload_hash) {
  return fmt::format("{}\n{}\n{}\n{}\n{}\n{}", method, path, canonical_query(query), header_lines, signed_headers,
                     payload_hash);
}

std::string scope_text(const SigningScope& scope, std::string_view date) {
  return fmt::format("{}/{}/{}/aws4_request", date.substr(0, 8), scope.region, scope.service);
}

crypto::Hash32 signing_key(const SigningScope& scope, const Credentials& credentials, std::string_view date) {
  crypto::SecretBytes first(4 + credentials.secret_access_key.size());
  std::copy_n(as_bytes("AWS4").begin(), 4, first.mutable_view().begin());
  std::ranges::copy(credentials.secret_access_key.view(), first.mutable_view().begin() + 4);
  const crypto::Hash32 day = crypto::hmac_sha256(first.view(), as_bytes(date.substr(0, 8)));
  const crypto::Hash32 region = crypto::hmac_sha256(day, as_bytes(scope.region));
  const crypto::Hash32 service = crypto::hmac_sha256(region, as_bytes(scope.service));
  return crypto::hmac_sha256(service, as_bytes("aws4_request"));
}

std::string signature_of(std::string_view canonical_request, const SigningScope& scope, const Credentials& credentials,
                         std::string_view date) {
  const std::string to_sign = fmt::format("{}\n{}\n{}\n{}", sigv4_algorithm, date, scope_text(scope, date),
                                          hex(crypto::sha256(as_bytes(canonical_request))));
  return hex(crypto::hmac_sha256(signing_key(scope, credentials, date), as_bytes(to_sign)));
}

std::string payload_hash(std::span<const ByteView> body) { return hex(crypto::sha256(body)); }

std::string amz_date(UnixTimeNs time) { return compact_time(time); }

std::string sign_headers(SignableRequest& request, const SigningScope& scope, const Credentials& credentials,
                         UnixTimeNs now) {
  const std::string date = amz_date(now);
  put_header(request.headers, "X-Amz-Date", date);
  if (!credentials.session_token.empty()) {
    put_header(request.headers, "X-Amz-Security-Token", credentials.session_token);
  }
  const Canonical canonical = canonical_request(request, scope.path_rule);
  std::string signature = signature_of(canonical.text, scope, credentials, date);
  put_header(request.headers, "Authorization",
             fmt::format("{} Credential={}/{}, SignedHeaders={}, Signature={}", sigv4_algorithm,
                         credentials.access_key_id, scope_text(scope, date), canonical.signed_headers, signature));
  return signature;
}

void sign_query(SignableRequest& request, const SigningScope& scope, const Credentials& credentials, UnixTimeNs now,
                std::chrono::seconds lifetime) {
  const std::string date = amz_date(now);
  Query& query = request.query;
  query.emplace_back("X-Amz-Algorithm", sigv4_algorithm);
  query.emplace_back("X-Amz-Credential", credentials.access_key_id + "/" + scope_text(scope, date));
  query.emplace_back("X-Amz-Date", date);
  query.emplace_back("X-Amz-Expires", std::to_string(lifetime.count()));
  query.emplace_back("X-Amz-SignedHeaders", canonical_request(request, scope.path_rule).signed_headers);
  if (!credentials.session_token.empty()) query.emplace_back("X-Amz-Security-Token", credentials.session_token);
  query.emplace_back("X-Amz-Signature",
                     signature_of(canonical_request(request, scope.path_rule).text, scope, credentials, date));
}

ChunkSigner::ChunkSigner(const SigningScope& scope, const Credentials& credentials, UnixTimeNs now, std::string seed)
    : key_(signing_key(scope, credentials, amz_date(now))),
      date_(amz_date(now)),
      scope_(scope_text(scope, date_)),
      previous_(std::move(seed)) {}

std::string ChunkSigner::sign(std::string_view algorithm, const std::string& text) {
  const std::string to_sign = fmt::format("{}\n{}\n{}\n{}\n{}", algorithm, date_, scope_, previous_, text);
  previous_ = hex(crypto::hmac_sha256(key_, as_bytes(to_sign)));
  return previous_;
}

std::string ChunkSigner::sign_chunk(ByteView chunk) {
  return sign_chunk_of(crypto::sha256(chunk));
}

std::string ChunkSigner::sign_chunk_of(ByteView sha256) {
  return sign("AWS4-HMAC-SHA256-PAYLOAD", fmt::format("{}\n{}", empty_hash, to_hex(sha256)));
}

std::string ChunkSigner::sign_trailer(std::string_view lines) {
  return sign("AWS4-HMAC-SHA256-TRAILER", hex(crypto::sha256(as_bytes(lines))));
}

}  // namespace holdfast::aws
