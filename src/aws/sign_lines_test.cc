// SPDX-License-Identifier: Apache-2.0
#include <boost/json.hpp>
#include <iostream>

#include "aws/sigv4.h"
#include "base/hash_id.h"

// For tests/e2e/sigv4_test.py: reads requests as JSON lines and prints our signature of each.
namespace holdfast::aws {
namespace {

std::string text(const boost::json::object& object, std::string_view name) {
  return std::string(object.at(name).as_string());
}
std::string unhex(const boost::json::value& value) { return std::string(as_text(*from_hex(value.as_string()))); }

std::string sign_line(const boost::json::object& line) {
  Credentials credentials;
  credentials.access_key_id = text(line, "id");
  credentials.secret_access_key = crypto::SecretBytes::from(as_bytes(text(line, "secret")));
  credentials.session_token = text(line, "token");
  const bool is_s3 = text(line, "service") == "s3";
  const SigningScope scope{.region = text(line, "region"), .service = text(line, "service"),
                           .path_rule = is_s3 ? PathRule::as_sent : PathRule::normalised};
  const UnixTimeNs now = line.at("time").as_int64() * 1'000'000'000;
  SignableRequest request{.method = text(line, "method"), .path = percent_encode(unhex(line.at("path")), Slash::keep)};
  for (const auto& pair : line.at("query").as_array()) {
    request.query.emplace_back(unhex(pair.as_array().at(0)), unhex(pair.as_array().at(1)));
  }
  for (const auto& pair : line.at("headers").as_array()) {
    request.headers.push_back({std::string(pair.as_array().at(0).as_string()), std::string(pair.as_array().at(1).as_string())});
  }
  request.headers.push_back({"Host", text(line, "host")});
  if (line.at("presign").as_bool()) {
    request.payload_hash = payload_unsigned;
    sign_query(request, scope, credentials, now, std::chrono::seconds(3600));
    return request.query.back().second;
  }
  const std::string body = unhex(line.at("body"));
  const ByteView part = as_bytes(body);
  request.payload_hash = payload_hash(std::span(&part, 1));
  if (is_s3) request.headers.push_back({"X-Amz-Content-Sha256", request.payload_hash});
  return sign_headers(request, scope, credentials, now);
}

}  // namespace
}  // namespace holdfast::aws

int main() {
  std::string line;
  while (std::getline(std::cin, line)) {
    std::cout << holdfast::aws::sign_line(boost::json::parse(line).as_object()) << "\n";
  }
  return 0;
}
