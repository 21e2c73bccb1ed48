// SPDX-License-Identifier: Apache-2.0
#include "aws/uri.h"

#include <algorithm>

namespace holdfast::aws {

namespace {

constexpr std::string_view hex_digits = "0123456789ABCDEF";

bool is_unreserved(char c) {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
         c == '_' || c == '~';
}

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

Error bad(std::string_view url, std::string_view reason) {
  return Error(ErrorCode::invalid, "endpoint '" + std::string(url) + "': " + std::string(reason));
}

}  // namespace

std::string percent_encode(std::string_view text, Slash slash) {
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    if (is_unreserved(c) || (c == '/' && slash == Slash::keep)) {
      out += c;
      continue;
    }
    const auto byte = static_cast<unsigned char>(c);
    out += '%';
    out += hex_digits[byte >> 4];
    out += hex_digits[byte & 15];
  }
  return out;
}

Result<std::string> percent_decode(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t at = 0; at < text.size(); ++at) {
    if (text[at] != '%') {
      out += text[at];
      continue;
    }
    const int high = at + 2 < text.size() ? hex_value(text[at + 1]) : -1;
    const int low = at + 2 < text.size() ? hex_value(text[at + 2]) : -1;
    if (high < 0 || low < 0) return Error(ErrorCode::invalid, "'" + std::string(text) + "': a stray %");
    out += static_cast<char>(high * 16 + low);
    at += 2;
  }
  return out;
}

std::string canonical_query(const Query& query) {
  std::vector<std::pair<std::string, std::string>> encoded;
  encoded.reserve(query.size());
  for (const auto& [name, value] : query) {
    encoded.emplace_back(percent_encode(name, Slash::encode), percent_encode(value, Slash::encode));
  }
  std::sort(encoded.begin(), encoded.end());
  std::string out;
  for (const auto& [name, value] : encoded) {
    if (!out.empty()) out += '&';
    out += name;
    out += '=';
    out += value;
  }
  return out;
}

Result<Query> parse_query(std::string_view text) {
  Query query;
  while (!text.empty()) {
    const std::string_view item = text.substr(0, text.find('&'));
    text.remove_prefix(std::min(text.size(), item.size() + 1));
    if (item.empty()) continue;
    const size_t sign = item.find('=');
    std::string name = TRY(percent_decode(item.substr(0, sign)));
    std::string value = sign == std::string_view::npos ? "" : TRY(percent_decode(item.substr(sign + 1)));
    query.emplace_back(std::move(name), std::move(value));
  }
  return query;
}

Result<Endpoint> parse_endpoint(std::string_view url) {
  Endpoint endpoint;
  const size_t mark = url.find("://");
  if (mark == std::string_view::npos) return bad(url, "not of the form https://HOST[:PORT]");
  endpoint.scheme = url.substr(0, mark);
  if (endpoint.scheme != "http" && endpoint.scheme != "https") return bad(url, "neither http nor https");
  const std::string_view rest = url.substr(mark + 3);
  const size_t slash = std::min(rest.find('/'), rest.size());
  endpoint.host = rest.substr(0, slash);
  endpoint.path = rest.substr(slash);
  while (endpoint.path.ends_with('/')) endpoint.path.pop_back();
  const std::string_view port = endpoint.scheme == "http" ? ":80" : ":443";
  if (endpoint.host.ends_with(port)) endpoint.host.resize(endpoint.host.size() - port.size());
  if (endpoint.host.empty()) return bad(url, "no host");
  if (endpoint.host.find_first_of("@?#\\ ") != std::string::npos) return bad(url, "not a plain host");
  if (endpoint.path.find_first_of("?#\\ ") != std::string::npos) return bad(url, "a query has no place in it");
  return endpoint;
}

}  // namespace holdfast::aws
